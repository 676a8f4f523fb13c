"""What axe finds wrong with the form that a page shows, in a light and in a dark theme of JupyterLab."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# Of a dark page only the colours differ from the light one.
_RUN = """async ({ script, themes }) => {
  if (!window.axe) window.eval(script);
  const found = [];
  const here = document.body.dataset.jpThemeLight;
  for (const [light, options] of Object.entries(themes)) {
    document.body.dataset.jpThemeLight = light;
    await new Promise(requestAnimationFrame); // the form follows the theme, without the transition of colours
    await Promise.all(document.getAnimations().map((each) => each.finished.catch(() => {})));
    const { violations } = await axe.run(".pwiq-form", { resultTypes: ["violations"], ...options });
    for (const each of violations) {
      found.push(`${light === "true" ? "light" : "dark"}: ${each.id}: ${each.nodes.map((node) => node.html).join(" ")}`);
    }
  }
  document.body.dataset.jpThemeLight = here;
  return found;
}"""
_THEMES = {"true": {}, "false": {"runOnly": ["color-contrast"]}}


def faults_by_axe(page: Page) -> list[str]:
    """Return a line for each kind of fault, with the elements that have it."""
    found: list[str] = page.evaluate(_RUN, {"script": Axe().axe_script, "themes": _THEMES})
    return found
