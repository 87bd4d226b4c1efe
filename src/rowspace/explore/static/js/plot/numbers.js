// Numbers of plots: round ticks, short labels.

/** Round numbers from low to high, about n of them. */
export function ticks(low, high, n = 6) {
  if (!(high > low)) return [low];
  const rough = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((by) => by * power).find((size) => size >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

/** Powers of ten from low to high, or of two where these are few. */
export function logTicks(low, high) {
  const base = high / low > 300 ? 10 : 2;
  const found = [];
  for (let i = Math.ceil(Math.log(low) / Math.log(base) - 1e-9); base ** i <= high * 1.000001; i++) found.push(base ** i);
  const skip = Math.ceil(found.length / 8);
  return found.filter((_, i) => i % skip === 0);
}

/** A number in few characters. */
export function short(value) {
  if (value == null || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(1).replace("e+", "e").replace("-", "−").replace("e-", "e−");
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 3 : 4;
  return Number(value.toFixed(digits)).toLocaleString("en", { maximumFractionDigits: digits }).replace("-", "−");
}
