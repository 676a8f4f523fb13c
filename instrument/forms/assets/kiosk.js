/* Many people on one device: a facilitator sets it up, collects what was answered, and nobody sees what another wrote. */

const ROUNDS = 600000; // of PBKDF2 with SHA-256 (OWASP, Password Storage Cheat Sheet, 2023)
const SHORTEST_PIN = 6;
const FREE_TRIES = 5;
const IDLE = 300000, LAST_CALL = 60000; // milliseconds without a touch, then until the answers are deleted

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

async function hashed(pin, salt, rounds) {
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(pin.normalize("NFKC")), "PBKDF2", false, ["deriveBits"]);
  return hex(await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: bytes(salt), iterations: rounds }, key, 256));
}

function openKiosk(page) {
  let language = data.languages[0].id;
  const word = (name, values = {}) => filled(data.words[language][name] ?? name, values);
  const door = el("div", { class: "pwiq-form door" });
  let form = null;
  root.after(door);

  const noted = (name) => JSON.parse(store.get(name) ?? "null");

  /* A view of the facilitator's in place of the form. */
  function show(title, content, buttons) {
    form?.destroy();
    form = null;
    door.replaceChildren();
    root.classList.add("pwiq-form");
    const { dir } = data.languages.find(({ id }) => id === language);
    Object.assign(root, { lang: language, dir });
    page.onLanguage(language, dir);
    document.title = title;
    root.replaceChildren(
      el("h1", { tabindex: "-1" }, title), ...content, el("div", { class: "failed", id: "pwiq-failed", role: "alert" }),
      el("div", { class: "sending", role: "status" }), el("div", { class: "buttons" }, ...buttons));
    root.querySelector("h1").focus();
  }
  /* Say what is wrong, and tie it to the field that it is about. */
  function fault(text, input = null) {
    root.querySelector(".failed").replaceChildren(el("p", {}, text));
    for (const each of root.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
    if (!input) return;
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", "pwiq-failed");
    input.focus();
  }
  const button = (text, onclick, kind = "main") => el("button", { type: "button", class: kind, onclick }, text);

  function field(id, text, type) {
    const input = el("input", { id: `pwiq-${id}`, type, autocomplete: type === "password" ? "new-password" : "off", dir: "auto" });
    return { input, block: el("div", { class: "question" }, el("label", { class: "asked", for: input.id }, text), input) };
  }

  const cannot = (name) => show(data.title[language], [el("p", { class: "note" }, word(name))], []);

  function start() {
    if (!crypto.subtle) return cannot("kiosk_no_crypto");
    try {
      // A device that was set up opens even when it is full: the facilitator makes room.
      if (noted("pin") === null) {
        store.set("try", "1");
        store.remove("try");
        return setUp();
      }
    } catch {
      return cannot("kiosk_no_storage");
    }
    return ask();
  }

  function setUp() {
    const pin = field("pin", word("kiosk_pin"), "password");
    const again = field("pin-again", word("kiosk_pin_again"), "password");
    const asked = new Set(data.columns);
    const places = ["organisation", "team"].filter((name) => asked.has(name))
      .map((name) => [name, field(name, word(`kiosk_${name}`), "text")]);
    for (const [name, { input }] of places) input.value = page.prefill[name] ?? "";
    const ready = async () => {
      if ([...pin.input.value].length < SHORTEST_PIN) return fault(word("kiosk_pin_short"), pin.input);
      if (pin.input.value !== again.input.value) return fault(word("kiosk_pin_differs"), again.input);
      const salt = hex(crypto.getRandomValues(new Uint8Array(16)));
      const hash = await hashed(pin.input.value, salt, ROUNDS);
      try {
        store.set("places", JSON.stringify(Object.fromEntries(places.map(([name, { input }]) => [name, input.value.trim()]))));
        store.set("pin", JSON.stringify({ salt, hash, rounds: ROUNDS, wrong: 0, since: Date.now() }));
      } catch {
        return fault(word("kiosk_no_storage"));
      }
      navigator.storage?.persist?.();
      return ask();
    };
    show(word("kiosk_setup_title"),
      [...paragraphs(word("kiosk_setup")), pin.block, again.block, ...places.map(([, { block }]) => block)],
      [button(word("kiosk_ready"), ready)]);
  }

  /* The questionnaire, for the next person. */
  function ask() {
    root.replaceChildren();
    language = data.languages[0].id;
    form = mount(root, data, {
      ...page,
      saveFile: undefined, // a file would stay on the device for all to open
      prefill: { ...page.prefill, ...noted("places") },
      onLanguage: (id, dir) => { language = id; page.onLanguage(id, dir); },
      again_word: "again_kiosk",
    });
  }

  function login() {
    const pin = field("pin", word("kiosk_pin"), "password");
    pin.input.autocomplete = "off";
    const open = async () => {
      const known = noted("pin");
      const wait = known.wrong < FREE_TRIES ? 0 : Math.min(2 ** (known.wrong - FREE_TRIES) * 30, 3600) * 1000;
      // A clock that was set back does not open the door: the wait then counts from now.
      const gone = Date.now() - known.since;
      if (gone < 0) store.set("pin", JSON.stringify({ ...known, since: Date.now() }));
      if (wait && gone < wait) return fault(word("kiosk_pin_wait", { seconds: Math.ceil((wait - Math.max(gone, 0)) / 1000) }), pin.input);
      // Counted as wrong first, so that a reload during the check saves no try. The entry keeps its length: it can be
      // written on a full device.
      store.set("pin", JSON.stringify({ ...known, wrong: known.wrong + 1, since: Date.now() }));
      const right = (await hashed(pin.input.value, known.salt, known.rounds)) === known.hash;
      if (right) store.set("pin", JSON.stringify({ ...known, wrong: 0, since: Date.now() }));
      if (!pin.input.isConnected) return undefined; // closed meanwhile: somebody else may sit here by now
      return right ? collected() : fault(word("kiosk_pin_wrong"), pin.input);
    };
    pin.input.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
    show(word("kiosk_title"), [pin.block], [button(word("kiosk_close"), ask, "quiet"), button(word("kiosk_open"), open)]);
    pin.input.focus();
  }

  function answers() {
    const rows = [], names = [], damaged = [];
    for (const name of store.names().filter((each) => each.startsWith("answer:")).sort()) {
      try {
        const { row } = JSON.parse(store.get(name));
        if (!row.response || !Object.values(row).every((value) => typeof value === "string")) throw new TypeError(name);
        rows.push(row);
        names.push(name);
      } catch {
        damaged.push(name);
      }
    }
    return { rows, names, damaged };
  }

  /* How many there are, and files of them; the answers themselves are not shown. */
  function collected() {
    const { rows, names, damaged } = answers();
    // Answers to an earlier version may have other columns.
    const columns = [...new Set([...data.columns, ...rows.flatMap((row) => Object.keys(row))])];
    const stamp = new Date().toISOString().slice(0, 16).replace(/[^0-9]/g, "");
    let saved = false;
    const save = (ending, text, type) => () => {
      download(`${data.name}_${stamp}_${rows.length}.${ending}`, text, type);
      saved = true;
    };
    const check = el("input", { type: "checkbox", autocomplete: "off" });
    const remove = () => {
      if (!saved || !check.checked) return fault(word("kiosk_delete_first"));
      names.forEach((name) => store.remove(name));
      const count = names.length;
      collected();
      return root.querySelector(".sending").replaceChildren(el("p", {}, word("kiosk_deleted", { count })));
    };
    show(word("kiosk_title"), [
      el("p", { class: "count" }, word("kiosk_count", { count: rows.length + damaged.length })),
      damaged.length ? el("p", { class: "note" }, word("kiosk_unread", { count: damaged.length })) : "",
      el("div", { class: "entry" },
        button(word("kiosk_csv"), save("csv", csv(columns, rows), "text/csv;charset=utf-8"), "quiet"),
        button(word("kiosk_json"), save("json", json(data, columns, rows), "application/json"), "quiet")),
      el("p", { class: "hint" }, word("kiosk_csv_note")),
      el("div", { class: "question" },
        el("label", { class: "choice" }, check, el("span", {}, word("kiosk_delete_check"))),
        el("p", {}, button(word("kiosk_delete"), remove, "quiet"))),
    ], [button(word("kiosk_close"), ask)]);
  }

  root.addEventListener("pwiq:page", (event) => {
    door.replaceChildren(...(event.detail.page === "start" ? [button(word("facilitator"), login, "quiet")] : []));
    door.lang = language;
  });

  // Whoever walks away leaves nothing for the next: after a while the answers on the page are deleted.
  const dialog = el("dialog", { class: "pwiq-form", "aria-labelledby": "pwiq-idle" });
  document.body.append(dialog);
  let quiet = null, ending = null, last = Date.now();
  let at = "start";
  const first = data.languages[0].id;
  root.addEventListener("pwiq:page", (event) => { at = event.detail.page; touched(); });
  const leave = () => {
    dialog.close();
    if (form) form.restart();
    else ask();
  };
  function touched() {
    if (dialog.open) return; // a touch beside the question is no answer to it
    clearTimeout(quiet);
    clearTimeout(ending);
    last = Date.now();
    quiet = setTimeout(() => {
      if (!form && noted("pin") === null) return;
      if (form && at === "start" && root.lang === first && !root.querySelector(":checked")) return;
      // Nothing to lose here, but the next person finds no language and no tick of this one.
      if (form && ["start", "done", "declined"].includes(at)) return form.restart();
      dialog.lang = language;
      dialog.replaceChildren(el("h2", { id: "pwiq-idle" }, word("idle_title")), el("p", {}, word("idle_text")),
        el("div", { class: "buttons" }, button(word("idle_stay"), () => dialog.close())));
      dialog.showModal();
      ending = setTimeout(leave, LAST_CALL);
    }, IDLE);
  }
  dialog.addEventListener("close", touched);
  // While the device sleeps, timers do: whoever wakes it may be somebody else.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() - last > IDLE + LAST_CALL && noted("pin") !== null) leave();
  });
  // A page that is left may be kept by the browser and come back with "Forward".
  window.addEventListener("pagehide", () => { if (noted("pin") !== null) leave(); });
  for (const type of ["pointerdown", "keydown", "input"]) document.addEventListener(type, touched);
  // The facilitator's pages have no place in the history: Back from them leads to the beginning of the questionnaire.
  window.addEventListener("popstate", () => { if (!form) start(); });
  start();
}
