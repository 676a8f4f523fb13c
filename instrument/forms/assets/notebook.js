/* The questionnaire in a notebook: `mount` of questionnaire.js with a host that speaks to the kernel. It is put behind
   questionnaire.js in one module, which anywidget loads.

   Messages to the kernel: {id, kind, window, …}; each is answered by {id, …} or {id, error}, where error is the name of a
   word. Nothing of the answers is in the widget's traits: those are saved in the notebook's file.

     open                  -> {data, prefill}
     load                  -> {draft: {…} | null}
     save  {draft, take}   -> {}; take: the draft goes on in this window from now on
     clear {response}      -> {}
     send  {response}      -> {}
*/

const ANSWER_WITHIN = 20000; // ms; longer than the kernel waits for others that write to the file
const SAY_WITHIN = 4000; // ms until a sentence says that the kernel does not answer

function kernelOf(model) {
  const pending = new Map();
  const window_ = randomId();
  const heard = (message) => {
    const call = message && pending.get(message.id);
    if (!call) return; // another view of this widget asked
    pending.delete(message.id);
    clearTimeout(call.timer);
    if (message.error) call.reject(new Error(message.error));
    else call.resolve(message);
  };
  model.on("msg:custom", heard);
  return {
    ask(kind, content = {}, within = ANSWER_WITHIN) {
      return new Promise((resolve, reject) => {
        const id = randomId();
        const silent = () => {
          pending.delete(id);
          reject(new Error("kernel_silent"));
        };
        const timer = within ? setTimeout(silent, within) : undefined;
        pending.set(id, { resolve, reject, timer });
        try {
          model.send({ id, kind, window: window_, ...content });
        } catch {
          clearTimeout(timer);
          silent();
        }
      });
    },
    close() {
      model.off("msg:custom", heard);
      for (const call of pending.values()) clearTimeout(call.timer);
      pending.clear();
    },
  };
}

function hostOf(kernel, prefill, data) {
  let response = null; // the id of the draft that was seen last
  let claimed = false;
  let taken = () => {};
  let newest = null; // the draft to be saved next
  let saving = null; // what saves, as long as it does
  const save = async () => {
    const draft = newest;
    const take = claimed;
    newest = null;
    claimed = false;
    try {
      await kernel.ask("save", { draft, take });
    } catch (error) {
      if (error.message === "store_elsewhere") return taken();
      claimed = claimed || take;
      throw error;
    }
  };
  return {
    async loadDraft() {
      const { draft } = await kernel.ask("load");
      response = draft ? draft.response : null;
      return draft;
    },
    /* One at a time, so that a slow kernel is asked for the newest draft and not for all of them. */
    saveDraft(draft) {
      response = draft.response;
      newest = draft;
      if (document.hidden) return save(); // the page may be about to close
      saving ??= (async () => {
        try {
          while (newest) await save();
        } finally {
          saving = null;
        }
      })();
      return saving;
    },
    saveNow() {
      if (newest) save().catch(() => {});
    },
    async clearDraft() {
      newest = null;
      if (response !== null) await kernel.ask("clear", { response });
      response = null;
    },
    async submit(sent) {
      newest = null; // it is in what is sent
      await kernel.ask("send", { response: sent });
    },
    claim(onTaken) {
      claimed = true;
      taken = onTaken;
    },
    prefill,
    saveFile: fileSaver(data),
    again: true,
  };
}

/* JupyterLab says on its body whether its theme is light; elsewhere the colours follow the system. */
function followTheme(root) {
  const read = () => {
    const light = document.body.dataset.jpThemeLight;
    if (light) root.dataset.theme = light === "true" ? "light" : "dark";
  };
  read();
  const watch = new MutationObserver(read);
  watch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  return () => watch.disconnect();
}

function render({ model, el }) {
  const kernel = kernelOf(model);
  const root = document.createElement("div");
  // JupyterLab's own keys (d d deletes a cell) must not act on what is typed here.
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.setAttribute("data-jp-suppress-context-menu", "true");
  const typed = (event) => event.stopPropagation();
  root.addEventListener("keydown", typed);
  const status = document.createElement("p");
  status.setAttribute("role", "status");
  root.append(status);
  el.append(root);
  const words = model.get("opening");
  status.textContent = words.waiting;
  const late = setTimeout(() => {
    status.textContent = words.silent;
  }, SAY_WITHIN);
  const unfollow = followTheme(root);
  let form = null;
  let host = null;
  let gone = false;
  kernel
    .ask("open", {}, 0) // a busy kernel answers once its cell is done
    .then(({ data, prefill }) => {
      clearTimeout(late);
      if (gone) return;
      status.remove();
      host = hostOf(kernel, prefill, data);
      form = mount(root, data, host);
    })
    .catch(() => {
      clearTimeout(late);
      status.textContent = words.silent;
    });
  return () => {
    gone = true;
    clearTimeout(late);
    unfollow();
    if (form) form.destroy();
    if (host) host.saveNow();
    kernel.close();
    root.removeEventListener("keydown", typed);
    root.remove();
  };
}

export default { render };
