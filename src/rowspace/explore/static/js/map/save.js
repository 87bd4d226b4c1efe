// Saves the map as a picture, with a line below it that says what it shows.

/** `about` is { name, set, method, model }. */
export async function savePicture(scatter, { legend, about }) {
  const { name, set, method, model } = about;
  const title = [name, `${set.n.toLocaleString("en")} ${set.id}`, method, model && model !== name ? model : null, `${set.dim} dimensions`].filter(Boolean).join(" · ");
  const blob = await scatter.picture({ title, legend });
  if (!blob) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}-${set.id}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
