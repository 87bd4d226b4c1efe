// Small things that several views do with names and messages.

/** The rows whose label begins with a text, then those that hold it, whatever their case. */
export function rowsWith(labels, text, most = 10) {
  const wanted = text.toLowerCase(), starts = [], holds = [];
  for (let row = 0; row < labels.length && starts.length < most; row++) {
    const at = labels[row].toLowerCase().indexOf(wanted);
    if (at === 0) starts.push(row);
    else if (at > 0 && holds.length < most) holds.push(row);
  }
  return [...starts, ...holds].slice(0, most);
}

/** Its first letter as a capital. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
