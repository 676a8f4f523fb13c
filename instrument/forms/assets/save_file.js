/* Answers as a file that the respondent or the facilitator saves; for every page that includes this. */

function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/* Every cell in quotation marks; what a spreadsheet would run gets an apostrophe (OWASP, "CSV Injection"), and so does what
   looks as if it had got one: it can be taken off again. */
function csv(columns, rows) {
  const cell = (text) => `"${(/^'*[=+\-@\t\r\n]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column] ?? ""))];
  return `\ufeff${lines.map((line) => line.map(cell).join(",")).join("\r\n")}\r\n`;
}

/* The document that `pwiq collect` reads; `data` is that of the form, `number` that of the try to send it, if it was sent. */
const json = ({ format, stamp }, columns, rows, number = undefined) =>
  `${JSON.stringify({ format, stamp, try: number, columns, responses: rows }, null, 1)}\n`;

/* `saveFile` of a host: one response as CSV. */
const fileSaver = ({ name }) => ({ columns, row }) =>
  download(`${name}_${row.response}.csv`, csv(columns, [row]), "text/csv;charset=utf-8");
