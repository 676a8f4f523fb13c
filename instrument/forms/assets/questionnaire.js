/* A questionnaire in a page: the same file for the web form and the notebook. No dependencies, no requests, no storage of its own.

CONTRACT

    const form = mount(root, data, host);   // fills the element `root`; form.destroy() empties it again and drops all listeners

`data` is what `instrument.forms.survey_json.form_data(survey, study=…, shuffle=…)` returns (plain JSON):

    format       1
    name, stamp  "pwiq_p", "pwiq 0.2.0 form P order definition sha256:…"
    languages    [{id: "en", name: "English", dir: "ltr"}]; the first is the one it opens in
    title, banner, instructions   {en: "…", es: "…"}; banner is {} for a validated questionnaire
    forms        ["P"]; with several, the question `form` on the first page decides which questions are asked
    constants    {version: "0.2.0", form: "P"}: columns that are the same for everyone
    columns      every column of a response, in order
    shuffle      true: the pages of kind "items" are put in an order of their own for each respondent
    code_instructions   why letters are asked, shown above the first of them; {} if nothing is said
    rule         how to answer, shown above the first page of items; {} if there is none
    pages        [{id, kind, matrix: true, seconds: "seconds_role" (column of the time on the page), questions: [
                    {id, text: {…}, kind: "single" | "several" | "text", ordered, role, required, forms: [],
                     choices: [{code, label: {…}, reason: null | "dont_know" …, column: "progparts1" (several only)}]}]}]
    trial        true: no study, or placeholders left in it; the form says so, and the column `trial` is 1
    study        null, or {en: {by, contact, consent, readers, when, support: [{name, how}]}, es: …}
    words        {en: {next: "Next", …}, es: {…}}: words of the sections [common] and [web]

`host` says where drafts are kept and what Send does. All but the first four may be left out:

    loadDraft()      -> Promise of the draft that was saved last, or null
    saveDraft(draft) -> Promise; may reject: the form says so in a sentence and goes on. The draft is plain JSON:
                        {format, stamp, round, response, tries, language, step, answers: {column: value}, order, seed, seconds, saved}
    clearDraft()     -> Promise
    submit(response) -> Promise; resolved: the response is safe, the thank-you page comes. Rejected: error.message is shown
                        (a sentence in words for the respondent, or the name of a word: "send_failed"), Send can be pressed again.
                        `response` is {columns: [...], row: {column: text}, try: n}: canonical columns, every value a string,
                        blank = "". response.row.response is a random id, the same at every try: storing it twice is one
                        response. Tries are numbered from 1: what an unanswered one held may have been changed for the next.
                        The form calls it once at a time, and never again after it was resolved.
    again            true: the thank-you page offers "Start again" (notebook, kiosk), in the words `again_word` (default
                     "again"); host.onAgain() may be given
    keeps            true (default): says that drafts are kept; false: says that nothing is kept before sending
    kept             name of the word that says where drafts are kept (default "draft_kept": on this device; "draft_kept_notebook")
    send             name of the word on the button (default "send")
    thanks           name of the word on the thank-you page (default "thanks_sent")
    saveFile(response)           offers the answers as a file where sending failed (`fileSaver(data)` of save_file.js)
    saveAgain        true: and on the thank-you page too, where Send itself does no more than that
    prefill          {organisation: "a", team: "north"}: what text questions hold at first
    history          true: the browser's Back goes a page back (web only)
    onLanguage(id, dir)          called with the language shown; the web page sets <html lang>
    onTitle(text)                called with a title for the window at every page
    claim(onTaken, onSent)   -> called when answering starts; calls onTaken() when another window takes over, and
                        onSent(id) when another window has sent the response of that id (web only)
    tellSent(id)     tells the other windows so: one may have taken over while this one was sending

Events on `root` (CustomEvent, bubbling): "pwiq:page" {page, place, of}, "pwiq:saved" {saved}, "pwiq:problem" {what},
"pwiq:submitted" {response}.

The style is questionnaire.css; everything in it is inside `.pwiq-form`, the class that mount gives to `root`. Colours follow
the system; `root.dataset.theme = "light" | "dark"` overrules them (JupyterLab's theme).

Texts reach the page through textContent alone, never as HTML.
*/


const FORMAT = 1;
const LONGEST = 20000; // characters of an open answer
const START = "start", HOW = "how", SEND = "send"; // steps beside the pages; no page is called so: their ids begin with "page"

export function mount(root, data, host) {
  const form = new Questionnaire(root, data, host ?? {});
  form.begin();
  return { destroy: () => form.destroy(), restart: () => form.restart() };
}

/* An element with attributes and children; texts become text nodes. `false`, null and undefined are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function paragraphs(text, attributes = {}) {
  return text.split(/\n\s*\n/).map((part) => el("p", attributes, part.trim()));
}

/* "Page {place} of {count}" with the values filled in. */
export function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/* The list in an order that the seed decides: Fisher and Yates' shuffle with the generator mulberry32. */
export function shuffled(list, seed) {
  let state = seed >>> 0;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const order = [...list];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const at = Math.floor(random() * (last + 1));
    [order[last], order[at]] = [order[at], order[last]];
  }
  return order;
}

const characters = (text) => [...text].length;
const localDate = (now) =>
  [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");

class Questionnaire {
  constructor(root, data, host) {
    this.root = root;
    this.data = data;
    this.host = host;
    this.uid = `pwiq${randomId().slice(0, 6)}`;
    this.language = data.languages[0].id;
    // What a draft was begun for: its answers belong neither into another wave nor to others than those who asked.
    const asking = Object.values(data.study ?? {}).map(({ by }) => by).sort();
    this.round = JSON.stringify([data.constants.wave ?? "", asking, host.address ?? ""]);
    this.questions = data.pages.flatMap((page) => page.questions);
    this.leaving = new AbortController();
    root.classList.add("pwiq-form");
    const listen = (target, type, heard) => target.addEventListener(type, heard, { signal: this.leaving.signal });
    listen(document, "visibilitychange", () => (document.hidden ? this.hidden() : this.startClock()));
    listen(window, "pagehide", () => this.hidden());
    if (host.history) listen(window, "popstate", (event) => this.goneBack(event.state));
    this.clean();
  }

  /* A respondent's state, with nothing of the one before. */
  clean() {
    clearTimeout(this.later);
    this.handed = null;
    this.begun = this.sent = this.sending = this.away = this.consented = false;
    this.reminded = null;
    this.clock = null;
    this.session = randomId();
    const seed = this.data.shuffle ? crypto.getRandomValues(new Uint32Array(1))[0] : null;
    this.draft = {
      format: FORMAT, stamp: this.data.stamp, round: this.round, response: randomId(), tries: 0, language: this.language, step: START,
      answers: { ...this.prefilled() }, order: this.order(seed), seed, seconds: {}, saved: "",
    };
  }

  prefilled() {
    const texts = new Set(this.questions.filter((question) => question.kind === "text").map((question) => question.id));
    return Object.fromEntries(Object.entries(this.host.prefill ?? {}).filter(([name, text]) => texts.has(name) && text));
  }

  order(seed) {
    const blocks = this.data.pages.filter((page) => page.kind === "items").map((page) => page.id);
    return seed === null ? blocks : shuffled(blocks, seed);
  }

  async begin() {
    const found = await this.stored();
    if (this.leaving.signal.aborted) return;
    if (found && this.data.languages.some(({ id }) => id === found.language)) this.language = found.language;
    if (found) this.offer(found);
    else this.show(START, { focus: false, push: false });
  }

  destroy() {
    this.hidden();
    this.leaving.abort();
    this.root.replaceChildren();
    this.root.classList.remove("pwiq-form");
  }

  /* For the next person. */
  restart() {
    this.language = this.data.languages[0].id;
    this.clean();
    this.show(START, { push: false });
  }

  /* The draft that is kept now; a place that cannot be read holds none that could be offered, but what is `known` of it. */
  async stored(known = null) {
    try {
      return (await this.host.loadDraft()) ?? null;
    } catch {
      return known;
    }
  }

  // Words

  word(name, values = {}) {
    return filled(this.data.words[this.language][name] ?? name, values);
  }

  number(value) {
    return value.toLocaleString(this.language);
  }

  said(text) {
    return text[this.language] ?? "";
  }

  announce(type, detail) {
    this.root.dispatchEvent(new CustomEvent(`pwiq:${type}`, { detail, bubbles: true }));
  }

  // Which steps there are

  get form() {
    return this.data.forms.length > 1 ? this.draft.answers.form : this.data.forms[0];
  }

  asks(question) {
    return !this.data.forms.length || question.id === "form" || question.forms.length === this.data.forms.length
      || question.forms.includes(this.form);
  }

  /* The pages that the respondent gets, in their order, with the questions that their form asks. */
  pages() {
    const blocks = this.draft.order.map((id) => this.data.pages.find((page) => page.id === id));
    let next = 0;
    return this.data.pages
      .map((page) => (page.kind === "items" ? blocks[next++] : page))
      .map((page) => ({ ...page, questions: page.questions.filter((question) => this.asks(question)) }))
      .filter((page) => page.questions.length);
  }

  steps() {
    const steps = this.said(this.data.instructions) ? [{ id: START }, { id: HOW }] : [{ id: START }];
    for (const page of this.pages()) {
      // The letters of a code are asked one by one, and shown together at the end.
      if (page.kind === "code") page.questions.forEach((_, at) => steps.push({ id: `${page.id}.${at}`, page, letter: at }));
      steps.push({ id: page.id, page });
    }
    return [...steps, { id: SEND }];
  }

  // Moving

  show(id, { focus = true, push = true, message = null } = {}) {
    const steps = this.steps();
    const at = Math.max(0, steps.findIndex((step) => step.id === id));
    this.stopClock();
    this.outside = null;
    this.draft.step = steps[at].id;
    this.page = steps[at].page ?? null;
    this.step = steps[at];
    this.reminded = null;
    const view = this.view(steps[at]);
    this.render(view, message);
    if (this.host.history) {
      const state = { pwiq: this.session, step: steps[at].id };
      if (push) history.pushState(state, "");
      else history.replaceState(state, "");
    }
    if (this.begun) this.save();
    this.startClock();
    if (focus) this.focusHeading();
    this.announce("page", { page: steps[at].id, place: at, of: steps.length - 1 });
  }

  focusHeading() {
    this.root.scrollIntoView({ block: "start" });
    this.root.querySelector("h1")?.focus({ preventScroll: true });
  }

  move(by) {
    if (this.sending) return;
    const steps = this.steps();
    const at = steps.findIndex((step) => step.id === this.draft.step);
    this.show(steps[Math.min(Math.max(at + by, 0), steps.length - 1)].id);
  }

  next() {
    if (this.sending) return undefined;
    const faults = this.faults();
    if (faults.length) return this.tell(faults);
    const blank = this.blank();
    if (blank.length && this.reminded !== this.step.id) return this.remind(blank);
    return this.move(1);
  }

  /* The browser's Back or Forward. What belongs to somebody who is done is not shown again. */
  goneBack(state) {
    if (this.away || this.sending) return;
    if (this.sent) this.done();
    else if (state?.pwiq === this.session && (this.begun || state.step === START)) this.show(state.step, { push: false });
    else this.show(START, { push: false });
  }

  // Drafts

  save(wait = 0) {
    clearTimeout(this.later);
    if (!this.begun || this.sent || this.away) return;
    if (wait) this.later = setTimeout(() => this.save(), wait);
    else this.keep();
  }

  async keep() {
    const kept = structuredClone({ ...this.draft, language: this.language, seconds: this.spent(), saved: new Date().toISOString() });
    try {
      await this.host.saveDraft(kept);
      this.problem(null);
      this.announce("saved", { saved: kept.saved });
    } catch {
      this.problem("draft_not_kept");
    }
  }

  /* A sentence that stays above the buttons until it no longer holds. */
  problem(name) {
    const place = this.root.querySelector(".problem");
    if (!place || (name && place.textContent)) return;
    place.replaceChildren(...(name ? [el("p", {}, this.word(name))] : []));
    if (name) this.announce("problem", { what: name });
  }

  hidden() {
    this.stopClock();
    this.save();
  }

  fits(found) {
    return found.format === FORMAT && found.stamp === this.data.stamp && found.round === this.round;
  }

  /* Two questions before anything of a draft is shown: go on with it, or delete it. */
  offer(found) {
    const fits = this.fits(found);
    const forget = async () => {
      await this.forget();
      this.clean();
      this.show(START, { push: false });
    };
    this.present(() => ({
      title: this.word(fits ? "draft_title" : "draft_old_title"),
      content: [
        ...paragraphs(this.word(fits ? "draft_found" : "draft_old", { when: this.when(found.saved) })),
      ],
      buttons: [
        el("button", { type: "button", class: "quiet", onclick: forget }, this.word("draft_delete")),
        fits && el("button", { type: "button", class: "main", onclick: () => this.resume(found) }, this.word("draft_resume")),
      ],
    }));
    this.announce("page", { page: "draft", place: 0, of: 0 });
  }

  /* Go on with what is kept now: since it was offered, another window may have changed, sent or deleted it. */
  async resume(known = null) {
    const found = await this.stored(known);
    if (found && !this.fits(found)) this.offer(found);
    else if (found) {
      this.take(found);
      await this.beginAnswering(() => this.show(found.step, { push: false }), { resumed: true });
    } else {
      this.clean();
      this.show(START, { push: false, message: this.word("draft_gone") });
    }
  }

  when(saved) {
    const time = new Date(saved);
    return Number.isNaN(time.getTime()) ? "?" : time.toLocaleString(this.language, { dateStyle: "medium", timeStyle: "short" });
  }

  async forget() {
    try {
      await this.host.clearDraft();
    } catch {
      this.announce("problem", { what: "draft_not_deleted" });
    }
  }

  /* Take a draft over, and of it only what this questionnaire knows: the place it was kept in is not ours alone. */
  take(found) {
    const given = Object(found.answers);
    const answers = {};
    for (const question of this.questions) {
      const columns = question.kind === "several" ? question.choices.map((choice) => choice.column) : [question.id];
      const codes = question.kind === "single" ? question.choices.map((choice) => choice.code) : null;
      for (const column of columns) {
        const value = given[column];
        if (typeof value === "string" && (!codes || codes.includes(value))) answers[column] = value;
      }
    }
    const seed = Number.isInteger(found.seed) && this.data.shuffle ? found.seed >>> 0 : null;
    const seconds = Object.entries(Object(found.seconds)).filter(([, value]) => Number.isFinite(value) && value >= 0);
    if (this.data.languages.some((language) => language.id === found.language)) this.language = found.language;
    this.consented = true;
    this.draft = {
      ...this.draft, answers, seed, order: this.order(seed), seconds: Object.fromEntries(seconds), step: String(found.step),
      response: /^[0-9a-f]{24}$/.test(found.response) ? found.response : this.draft.response,
      tries: Number.isSafeInteger(found.tries) && found.tries > 0 ? found.tries : 0,
    };
  }

  /* Answering starts, or goes on: this window claims it, and a draft that another window has begun since is offered first. */
  async beginAnswering(go, { resumed = false } = {}) {
    if (!this.begun && !resumed) {
      const found = await this.stored();
      if (found && found.response !== this.draft.response) return this.offer(found);
    }
    this.begun = true;
    this.away = false;
    this.host.claim?.(() => this.taken(), (id) => this.sentElsewhere(id));
    return go();
  }

  /* Another window goes on with these answers: this one saves nothing more, and shows them no longer once it is not sending. */
  taken() {
    if (this.sent || this.away) return;
    this.stopClock();
    clearTimeout(this.later);
    this.away = true;
    if (!this.sending) this.giveWay();
  }

  giveWay() {
    this.present(() => ({
      title: this.word("two_windows_title"),
      content: paragraphs(this.word("two_windows")),
      buttons: [el("button", { type: "button", class: "main", onclick: () => this.resume() }, this.word("go_on_here"))],
    }));
  }

  /* Another window was sending these answers when this one went on with them, and they arrived. */
  async sentElsewhere(id) {
    if (id !== this.draft.response || this.sent || this.sending) return;
    const owner = !this.away;
    this.stopClock();
    clearTimeout(this.later);
    this.away = true;
    this.page = null;
    this.draft.answers = {};
    this.present(() => ({
      title: this.word("sent_elsewhere_title"), content: [...paragraphs(this.word("sent_elsewhere")), ...this.support()], buttons: [],
    }));
    this.focusHeading();
    if (owner) await this.forget();
  }

  // Time on a page, while it is seen; not by the clock on the wall, which may be set.

  startClock() {
    if (this.page && this.begun && !document.hidden && !this.sent && !this.away) {
      this.clock ??= { column: this.page.seconds, since: performance.now() };
    }
  }

  spent() {
    if (!this.clock) return { ...this.draft.seconds };
    const { column, since } = this.clock;
    return { ...this.draft.seconds, [column]: (this.draft.seconds[column] ?? 0) + (performance.now() - since) / 1000 };
  }

  stopClock() {
    this.draft.seconds = this.spent();
    this.clock = null;
  }

  // Answers

  answered(question) {
    if (question.kind === "several") return question.choices.some((choice) => this.draft.answers[choice.column] === "1");
    return Boolean((this.draft.answers[question.id] ?? "").trim());
  }

  /* The statements on this page that have no answer. */
  blank() {
    return this.page?.kind === "items" ? this.page.questions.filter((question) => !this.answered(question)) : [];
  }

  faults() {
    if (this.step.id === START && this.data.study && !this.consented) return [{ id: "consent", text: this.word("consent_needed") }];
    if (!this.page) return [];
    const asked = this.step.letter === undefined ? this.page.questions : [this.page.questions[this.step.letter]];
    return asked.flatMap((question) => {
      if (question.required && !this.answered(question)) return [{ id: question.id, text: this.word("required_missing") }];
      const over = question.kind === "text" ? characters(this.draft.answers[question.id] ?? "") - LONGEST : 0;
      return over > 0 ? [{ id: question.id, text: this.word("too_long", { over: this.number(over), most: this.number(LONGEST) }) }] : [];
    });
  }

  response() {
    const { answers } = this.draft;
    const row = Object.fromEntries(this.data.columns.map((column) => [column, ""]));
    const pages = this.pages();
    for (const question of pages.flatMap((page) => page.questions)) {
      if (question.kind === "several") {
        if (this.answered(question)) for (const { column } of question.choices) row[column] = answers[column] === "1" ? "1" : "0";
      } else if (this.answered(question)) row[question.id] = answers[question.id];
    }
    for (const page of pages) row[page.seconds] = (this.draft.seconds[page.seconds] ?? 0).toFixed(1);
    Object.assign(row, this.data.constants, {
      response: this.draft.response,
      language: this.language,
      date: localDate(new Date()),
      blocks: pages.filter((page) => page.kind === "items").map((page) => page.id.replace(/^page/, "")).join(" "),
      seed: this.draft.seed === null ? "" : String(this.draft.seed),
      trial: this.data.trial ? "1" : "",
    });
    return { columns: [...this.data.columns], row, try: this.draft.tries };
  }

  async send() {
    if (this.sending || this.sent || this.away) return;
    this.hold(true);
    this.draft.tries += 1;
    this.save(); // a page that is opened anew goes on counting
    const status = this.root.querySelector(".sending");
    status.replaceChildren(el("p", {}, this.word("sending")));
    this.root.querySelector(".failed").replaceChildren();
    const response = this.response();
    try {
      await this.host.submit(structuredClone(response));
    } catch (error) {
      this.hold(false);
      status.replaceChildren();
      if (this.away) this.giveWay();
      else this.failed(error, response);
      return;
    }
    this.sent = true;
    this.sending = false;
    this.host.tellSent?.(response.row.response);
    // The draft of a window that took over meanwhile is its own: that one deletes it when it hears of this.
    if (!this.away) await this.forget();
    this.away = false;
    this.handed = this.host.saveAgain ? response : null;
    this.announce("submitted", { response });
    this.done();
  }

  /* While answers are under way nothing leads to a page where they could be changed. */
  hold(sending) {
    this.sending = sending;
    for (const each of this.root.querySelectorAll(".buttons button, .languages button")) {
      if (sending) each.setAttribute("aria-disabled", "true");
      else each.removeAttribute("aria-disabled");
    }
  }

  failed(error, response) {
    const place = this.root.querySelector(".failed");
    place.replaceChildren(
      el("p", {}, this.word(error?.message || "send_failed")),
      el("p", {}, this.word("nothing_lost")),
      ...(this.host.saveFile
        ? [el("button", { type: "button", onclick: () => this.host.saveFile(response) }, this.word("save_file"))] : []),
    );
    this.announce("problem", { what: error?.message ?? "send_failed" });
  }

  done() {
    this.page = null;
    this.draft.answers = {};
    this.present(() => ({
      title: this.word("thanks_title"),
      content: [...paragraphs(this.word(this.host.thanks ?? "thanks_sent")), ...this.support()],
      buttons: this.handed
        ? [el("button", { type: "button", onclick: () => this.host.saveFile(this.handed) }, this.word("save_again"))]
        : this.host.again
        ? [el("button", { type: "button", class: "main", onclick: () => (this.host.onAgain?.(), this.restart()) },
          this.word(this.host.again_word ?? "again"))] : [],
    }));
    if (this.host.history) history.replaceState({ pwiq: this.session, step: "done" }, "");
    this.focusHeading();
    this.announce("page", { page: "done", place: 0, of: 0 });
  }

  // What is seen

  /* A page that is none of the questionnaire's: a draft was found, thanks. It is made anew when the language changes. */
  present(make) {
    this.outside = () => this.render(make());
    this.outside();
  }

  render(view, message = null) {
    const first = !view.progress;
    const banner = this.said(this.data.banner);
    const notes = (name, attributes = {}) => el("div", { class: name, ...attributes });
    this.root.lang = this.language;
    this.root.dir = this.data.languages.find((language) => language.id === this.language).dir;
    this.host.onLanguage?.(this.language, this.root.dir);
    this.host.onTitle?.(view.title === this.said(this.data.title) ? view.title : `${view.title} – ${this.said(this.data.title)}`);
    this.root.replaceChildren(...[
      el("div", { class: "top" }, el("p", { class: "name" }, first ? "" : this.said(this.data.title)), this.languageSwitch()),
      first && banner && el("p", { class: "banner" }, banner),
      view.progress && this.progress(view.progress),
      el("h1", { tabindex: "-1" }, view.title),
      message && el("p", { class: "note" }, message),
      notes("errors", { role: "alert", tabindex: "-1" }),
      ...view.content,
      notes("reminder", { role: "alert" }),
      notes("problem", { role: "alert" }),
      notes("failed", { role: "alert" }),
      notes("sending", { role: "status" }),
      el("div", { class: "buttons" }, ...view.buttons.filter(Boolean)),
      el("div", { class: "foot" }, ...[!first && banner && el("p", {}, banner), el("p", {}, this.data.stamp)].filter(Boolean)),
    ].filter(Boolean));
  }

  languageSwitch() {
    if (this.data.languages.length < 2) return "";
    const buttons = this.data.languages.map(({ id, name, dir }) =>
      el("button", { type: "button", lang: id, dir, "aria-pressed": String(id === this.language), onclick: () => this.speak(id) }, name));
    return el("div", { class: "languages", role: "group", "aria-label": this.word("language") }, ...buttons);
  }

  /* The same page in another language. */
  speak(language) {
    if (this.sending) return;
    this.language = language;
    if (this.outside) this.outside();
    else this.show(this.draft.step, { focus: false, push: false });
    this.root.querySelector(`.languages [lang="${CSS.escape(language)}"]`)?.focus();
  }

  progress({ place, count }) {
    const id = `${this.uid}-progress`;
    return el("div", { class: "progress" },
      el("p", { id }, this.word("progress", { place, count })),
      el("progress", { max: count, value: place, "aria-labelledby": id }));
  }

  view(step) {
    if (step.id === START) return this.startView();
    if (step.id === HOW) return { title: this.word("how_title"), content: paragraphs(this.said(this.data.instructions)), buttons: this.backNext() };
    if (step.id === SEND) return this.sendView();
    const pages = this.pages();
    const place = pages.findIndex((page) => page.id === step.page.id) + 1;
    return { ...this.pageView(step, pages), progress: { place, count: pages.length } };
  }

  backNext() {
    return [
      el("button", { type: "button", class: "quiet", onclick: () => this.move(-1) }, this.word("back")),
      el("button", { type: "button", class: "main next", onclick: () => this.next() }, this.word("next")),
    ];
  }

  startView() {
    const study = this.data.study?.[this.language];
    const content = [];
    if (this.data.trial) content.push(el("p", { class: "note trial" }, this.word("trial")));
    if (study) {
      content.push(
        el("h2", {}, this.word("consent_title")),
        ...paragraphs(study.consent),
        el("dl", { class: "facts" },
          el("dt", {}, this.word("study_by")), el("dd", {}, study.by),
          el("dt", {}, this.word("study_contact")), el("dd", {}, study.contact)));
    }
    content.push(el("p", {}, this.word(this.host.keeps === false ? "nothing_kept" : this.host.kept ?? "draft_kept")));
    if (study) content.push(this.consentBox());
    let starting = false; // pressed twice while the place of the draft is slow, it would go on by two pages
    const start = async () => {
      const faults = this.faults();
      if (faults.length) return this.tell(faults);
      if (starting) return undefined;
      starting = true;
      return this.beginAnswering(() => this.move(1)).finally(() => { starting = false; });
    };
    const decline = async () => {
      await this.forget();
      this.clean();
      this.present(() => ({
        title: this.word("declined_title"), content: paragraphs(this.word("declined")),
        buttons: [el("button", { type: "button", onclick: () => this.restart() }, this.word("to_start"))],
      }));
      this.focusHeading();
      this.announce("page", { page: "declined", place: 0, of: 0 });
    };
    return {
      title: this.said(this.data.title),
      content,
      buttons: [
        study && el("button", { type: "button", class: "quiet", onclick: decline }, this.word("decline")),
        el("button", { type: "button", class: "main", onclick: start }, this.word("start")),
      ],
    };
  }

  consentBox() {
    const id = `${this.uid}-consent`;
    const box = el("input", {
      type: "checkbox", id, checked: this.consented, autocomplete: "off",
      onchange: () => { this.consented = box.checked; this.mend("consent"); },
    });
    return el("div", { class: "question", id: `${id}-question` },
      el("div", { class: "choices" }, el("label", { class: "choice" }, box, el("span", {}, this.word("consent_agree")))),
      this.errorPlace("consent"));
  }

  pageView(step, pages) {
    const { page } = step;
    const blocks = pages.filter((each) => each.kind === "items");
    const number = blocks.findIndex((each) => each.id === page.id) + 1;
    if (page.kind === "code") return step.letter === undefined ? this.codeView(page) : this.letterView(page, step.letter);
    const known = `page_${page.kind}` in this.data.words[this.language] ? page.kind : "other";
    const content = [];
    if (number === 1 && this.said(this.data.rule)) content.push(...paragraphs(this.said(this.data.rule), { class: "rule" }));
    const hint = `hint_${page.kind}`;
    if (hint in this.data.words[this.language]) content.push(...paragraphs(this.word(hint)));
    content.push(...page.questions.map((question) => this.question(question, page)));
    return { title: this.word(`page_${known}`, { number, count: blocks.length }), content, buttons: this.backNext() };
  }

  question(question, page) {
    return question.kind === "text" ? this.textQuestion(question) : this.choiceQuestion(question, page.matrix || question.ordered);
  }

  legend(question) {
    return [this.said(question.text), question.required && el("span", { class: "required" }, ` (${this.word("required")})`)].filter(Boolean);
  }

  errorPlace(id) {
    return el("p", { class: "error", id: `${this.uid}-${id}-error` });
  }

  choiceQuestion(question, scale) {
    const several = question.kind === "several";
    const { answers } = this.draft;
    const name = `${this.uid}-${question.id}`;
    const inputs = question.choices.map((choice) => el("input", {
      type: several ? "checkbox" : "radio", name, value: choice.code, autocomplete: "off",
      checked: several ? answers[choice.column] === "1" : answers[question.id] === choice.code,
      onchange: (event) => this.choose(question, choice, event.target),
    }));
    const label = (choice, at) =>
      el("label", { class: choice.reason ? "choice beside" : "choice" }, inputs[at], el("span", {}, this.said(choice.label)));
    const clear = el("button", {
      type: "button", class: "clear", hidden: !this.answered(question), onclick: () => this.clear(question),
      "aria-label": `${this.word("clear")}: ${this.said(question.text)}`,
    }, this.word("clear"));
    // Not the attribute `required`: with it browsers call a question wrong before anybody had a chance to answer it.
    const required = question.required && !several && { role: "radiogroup", "aria-required": "true" };
    return el("fieldset", { class: "question", id: `${name}-question`, "data-question": question.id, ...required },
      el("legend", {}, ...this.legend(question)),
      el("div", { class: `choices ${scale ? "scale" : "list"}${inputs.length > 8 ? " many" : ""}` }, ...question.choices.map(label)),
      this.errorPlace(question.id),
      clear);
  }

  choose(question, choice, input) {
    const { answers } = this.draft;
    const place = input.closest("fieldset");
    if (question.kind === "single") answers[question.id] = choice.code;
    else {
      answers[choice.column] = input.checked ? "1" : "0";
      // "Prefer not to say" cannot stand beside answers.
      if (input.checked) {
        for (const [at, other] of question.choices.entries()) {
          if (other === choice || Boolean(other.reason) === Boolean(choice.reason)) continue;
          answers[other.column] = "0";
          place.querySelectorAll("input")[at].checked = false;
        }
      }
    }
    place.querySelector(".clear").hidden = !this.answered(question);
    this.mend(question.id);
    this.save();
  }

  clear(question) {
    for (const column of question.kind === "several" ? question.choices.map((choice) => choice.column) : [question.id]) {
      delete this.draft.answers[column];
    }
    const place = this.root.querySelector(`#${CSS.escape(`${this.uid}-${question.id}-question`)}`);
    for (const input of place.querySelectorAll("input")) input.checked = false;
    place.querySelector("input").focus();
    place.querySelector(".clear").hidden = true;
    this.save();
  }

  textQuestion(question) {
    const open = question.role === "open";
    const id = `${this.uid}-${question.id}`;
    const parts = { notice: `${id}-notice`, counter: `${id}-counter`, error: `${id}-error` };
    const study = this.data.study?.[this.language];
    const counter = el("p", { class: "counter", id: parts.counter });
    const field = el(open ? "textarea" : "input", {
      id, dir: "auto", autocomplete: "off", type: open ? null : "text", rows: open ? "6" : null, "aria-required": question.required && "true",
      "aria-describedby": [open && parts.notice, open && parts.counter, parts.error].filter(Boolean).join(" "),
    });
    const count = () => {
      const used = characters(field.value);
      counter.textContent = this.word("counter", { used: this.number(used), most: this.number(LONGEST) });
      counter.classList.toggle("over", used > LONGEST);
    };
    field.value = this.draft.answers[question.id] ?? "";
    field.addEventListener("input", () => {
      this.draft.answers[question.id] = field.value;
      count();
      this.mend(question.id);
      this.save(300);
    });
    count();
    const notice = open && el("div", { class: "notice", id: parts.notice },
      ...paragraphs(this.word("open_notice")),
      el("p", {}, study ? this.word("open_readers", { readers: study.readers, when: study.when }) : this.word("open_readers_unknown")));
    return el("div", { class: "question", id: `${id}-question`, "data-question": question.id },
      el("label", { class: "asked", for: id }, ...this.legend(question)), notice || "", field, open ? counter : "", this.errorPlace(question.id));
  }

  // The code: a letter at a time; nothing but the letter is ever held.

  letterView(page, at) {
    const question = page.questions[at];
    const id = `${this.uid}-${question.id}`;
    const hint = `${id}-hint`;
    const field = el("input", {
      id, type: "text", class: "letter", maxlength: "1", autocomplete: "off", autocapitalize: "characters", spellcheck: "false",
      "aria-describedby": `${hint} ${id}-error`, onfocus: () => field.select(),
      onkeydown: (event) => { if (event.key === "Enter" && !event.isComposing) this.next(); },
    });
    field.value = this.draft.answers[question.id] ?? "";
    const take = (event) => {
      if (event.isComposing) return;
      const upper = field.value.normalize("NFC").toLocaleUpperCase(this.language);
      const letter = /^\p{L}$/u.test(upper) ? upper : /^\p{L}$/u.test(field.value) ? field.value : "";
      const wrong = field.value.trim() && !letter;
      field.value = letter;
      if (letter) this.draft.answers[question.id] = letter;
      else delete this.draft.answers[question.id];
      this.mend(question.id);
      if (wrong) this.fault(question.id, this.word("code_letter_only"));
      this.save();
    };
    field.addEventListener("input", take);
    field.addEventListener("compositionend", take);
    const unknown = () => {
      this.draft.answers[question.id] = "X";
      this.move(1);
    };
    return {
      title: this.word("code_letter_title", { number: at + 1, count: page.questions.length }),
      content: [
        ...(at ? [] : [this.said(this.data.code_instructions), this.word("code_intro")].filter(Boolean).flatMap((text) => paragraphs(text))),
        el("div", { class: "question", id: `${id}-question`, "data-question": question.id },
          el("label", { class: "asked", for: id }, ...this.legend(question)),
          el("p", { class: "hint", id: hint }, this.word("code_hint")),
          el("div", { class: "entry" }, field, el("button", { type: "button", onclick: unknown }, this.word("code_unknown"))),
          this.errorPlace(question.id)),
      ],
      buttons: this.backNext(),
    };
  }

  codeView(page) {
    const letters = page.questions.map((question) => this.draft.answers[question.id] ?? "");
    const shown = letters.map((letter) => el("li", {}, letter || el("span", { class: "blank" }, this.word("code_blank"))));
    return {
      title: this.word("code_title"),
      content: [...paragraphs(this.word("code_done")), el("ol", { class: "code", dir: "ltr" }, ...shown)],
      buttons: this.backNext(),
    };
  }

  // The last pages

  support() {
    const study = this.data.study?.[this.language];
    if (!study) return [el("p", {}, this.word("support_unknown"))];
    return [
      el("h2", {}, this.word("support_title")),
      el("p", {}, this.word("support_text")),
      el("ul", { class: "support" }, ...study.support.map(({ name, how }) => el("li", {}, el("strong", {}, name), el("span", {}, how)))),
      el("dl", { class: "facts" }, el("dt", {}, this.word("study_contact")), el("dd", {}, study.contact)),
    ];
  }

  sendView() {
    const asked = this.pages().filter((page) => page.kind !== "code").flatMap((page) => page.questions);
    const used = asked.filter((question) => this.answered(question)).length;
    const send = el("button", { type: "button", class: "main send", onclick: () => this.send() }, this.word(this.host.send ?? "send"));
    return {
      title: this.word("send_title"),
      content: [
        el("p", {}, this.word("send_count", { used, count: asked.length })),
        el("p", {}, this.word("send_blank")),
        ...paragraphs(this.word(this.host.where ?? "where_default", { address: this.host.address ?? "" })),
        ...this.support(),
      ],
      buttons: [el("button", { type: "button", class: "quiet", onclick: () => this.move(-1) }, this.word("back")), send],
      progress: { place: this.pages().length, count: this.pages().length },
    };
  }

  // Faults, tied to what they are about

  fault(id, text) {
    const place = this.root.querySelector(`#${CSS.escape(`${this.uid}-${id}-question`)}`);
    const error = place.querySelector(".error");
    error.textContent = text;
    if (place.tagName === "FIELDSET") place.setAttribute("aria-describedby", error.id);
    const field = place.matches("[role=radiogroup]") ? place : place.querySelector("textarea, input:not([type=radio])");
    field?.setAttribute("aria-invalid", "true");
    if (field && !field.hasAttribute("aria-describedby")) field.setAttribute("aria-describedby", error.id);
    return place;
  }

  mend(id) {
    const place = this.root.querySelector(`#${CSS.escape(`${this.uid}-${id}-question`)}`);
    place.querySelector(".error").textContent = "";
    for (const field of [place, ...place.querySelectorAll("[aria-invalid]")]) field.removeAttribute("aria-invalid");
    this.root.querySelector(".errors").replaceChildren();
    if (this.reminded && !this.blank().length) this.unremind();
  }

  jump(place, text) {
    return el("button", { type: "button", class: "link", onclick: () => place.querySelector("input, textarea").focus() }, text);
  }

  tell(faults) {
    const places = faults.map(({ id, text }) => this.fault(id, text));
    const summary = this.root.querySelector(".errors");
    const asked = (place) => place.querySelector("legend, .asked")?.textContent ?? "";
    summary.replaceChildren(
      el("p", {}, this.word("errors")),
      el("ul", {}, ...faults.map(({ text }, at) => el("li", {}, this.jump(places[at], [asked(places[at]), text].filter(Boolean).join(" – "))))));
    summary.focus();
  }

  /* Said once a page: blanks are allowed, but many are slips. */
  remind(blank) {
    this.reminded = this.step.id;
    const place = this.root.querySelector(`[data-question="${CSS.escape(blank[0].id)}"]`);
    this.root.querySelector(".reminder").replaceChildren(
      el("p", {}, this.word("reminder", { blank: blank.length })), this.jump(place, this.word("reminder_first")));
    this.root.querySelector(".next").textContent = this.word("next_anyway");
  }

  unremind() {
    this.root.querySelector(".reminder").replaceChildren();
    this.root.querySelector(".next").textContent = this.word("next");
  }
}
