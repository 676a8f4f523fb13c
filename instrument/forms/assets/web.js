/* The web page around the form (questionnaire.js and save_file.js stand before this in the same script): where drafts and
   answers go. */

const data = JSON.parse(document.getElementById("pwiq-data").textContent);
const root = document.getElementById("form");
const { kiosk, address } = data.web;
const KEY = `pwiq:${data.name}`;
const WAIT = 30000; // milliseconds for the address to reply

/* localStorage, or an error where there is none: it may be full, switched off or forbidden. */
const store = {
  get: (name) => window.localStorage.getItem(`${KEY}:${name}`),
  set: (name, text) => window.localStorage.setItem(`${KEY}:${name}`, text),
  remove: (name) => window.localStorage.removeItem(`${KEY}:${name}`),
  names: () => Object.keys(window.localStorage).filter((name) => name.startsWith(`${KEY}:`)).map((name) => name.slice(KEY.length + 1)),
};

const drafts = {
  async loadDraft() {
    const text = store.get("draft");
    if (text === null) return null;
    try {
      return Object(JSON.parse(text));
    } catch {
      return {}; // damaged: offered as a draft that does not fit, to be deleted
    }
  },
  async saveDraft(draft) {
    store.set("draft", JSON.stringify(draft));
  },
  async clearDraft() {
    store.remove("draft");
  },
};

/* On a shared device nothing is kept before sending: the next person could open it. */
const nothing = { loadDraft: async () => null, saveDraft: async () => undefined, clearDraft: async () => undefined };

/* The window that answered last owns the draft; the others hear of it through the storage. */
const window_id = randomId();
let taken = () => undefined;
let sentElsewhere = () => undefined;
window.addEventListener("storage", (event) => {
  if (event.key === `${KEY}:window` && event.newValue && event.newValue !== window_id) taken();
  if (event.key === `${KEY}:sent` && event.newValue) sentElsewhere(event.newValue);
});
/* A page that the browser kept and shows again has heard nothing meanwhile. */
window.addEventListener("pageshow", (event) => {
  try {
    if (event.persisted && store.get("window") !== window_id) taken();
  } catch {
    // Without storage no other window can have taken over.
  }
});
function claim(onTaken, onSent) {
  taken = onTaken;
  sentElsewhere = onSent;
  try {
    store.set("window", window_id);
  } catch {
    // Nothing can be kept, so that nothing can be overwritten either; the form says that drafts are not kept.
  }
}

/* Said and not kept: an id left on the device would tell whose the response is. */
function tellSent(id) {
  try {
    store.set("sent", id);
    store.remove("sent");
  } catch {
    // The other window does not hear of it; whatever it sends has a higher number.
  }
}

async function post({ columns, row, try: number }) {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), WAIT);
  let reply;
  try {
    reply = await fetch(address, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: json(data, columns, [row], number),
      credentials: "omit", referrerPolicy: "no-referrer", redirect: "error", cache: "no-store", signal: ending.signal,
    });
  } catch {
    throw new Error(ending.signal.aborted ? "post_slow" : "post_offline");
  } finally {
    clearTimeout(timer);
  }
  if (!reply.ok) throw new Error("post_refused");
}

const saveFile = fileSaver(data);

/* One entry for each response, under its id: sent twice, it is still one; two windows cannot overwrite each other. */
async function collect(response) {
  try {
    store.set(`answer:${response.row.response}`, JSON.stringify(response));
  } catch {
    throw new Error("storage_full");
  }
}

const sending = kiosk
  ? { submit: collect, ...nothing, keeps: false, again: true, send: "send_kiosk", thanks: "thanks_kiosk", where: "where_kiosk" }
  : address
    ? { submit: post, ...drafts, claim, tellSent, where: "where_post", address }
    : { submit: async (response) => saveFile(response), ...drafts, claim, send: "send_file", thanks: "thanks_file", where: "where_file", saveAgain: true };

/* ?organisation=a&team=north in the link fills these in. */
const asked = new URLSearchParams(window.location.search);
const linked = Object.fromEntries(["organisation", "team"].filter((name) => asked.get(name)).map((name) => [name, asked.get(name)]));

const page = {
  ...sending,
  saveFile,
  history: true,
  prefill: linked,
  onLanguage: (id, dir) => Object.assign(document.documentElement, { lang: id, dir }),
  onTitle: (text) => { document.title = text; },
};

if (kiosk) openKiosk(page);
else mount(root, data, page);
