// Colours of Doppler power: lightness runs one way, so strong is strong in print and for the colour blind too.

const DARK = ["#11132a", "#2f2169", "#6f268c", "#b63b7c", "#ea6a54", "#f8b15a", "#fdf5cc"];
const LIGHT = ["#f8f7fc", "#f9e0bb", "#f4ac80", "#df6d78", "#a63a84", "#5f2578", "#231245"];
// Weaker is noise, stronger is as strong as it gets.
const QUIET_DB = 3;
const STRONG_DB = 36;

export function isDark() {
  return document.body.classList.contains("body--dark");
}

/** Call back whenever the page turns dark or light, until the function that comes back is called. */
export function whenThemeChanges(callback) {
  let before = isDark();
  const observer = new MutationObserver(() => {
    if (isDark() !== before) callback((before = isDark()));
  });
  observer.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  return () => observer.disconnect();
}

/** 256 colours, as pixels are stored (RGBA), for the bytes that hold power. */
export function powerColours(lowestDb, stepDb, dark = isDark()) {
  const stops = (dark ? DARK : LIGHT).map(toLab);
  const bytes = new Uint8ClampedArray(4 * 256);
  for (let byte = 0; byte < 256; byte++) {
    const share = (lowestDb + stepDb * byte - QUIET_DB) / (STRONG_DB - QUIET_DB);
    bytes.set([...toRgb(between(stops, Math.min(Math.max(share, 0), 1))), 255], 4 * byte);
  }
  return new Uint32Array(bytes.buffer);
}

/** The same from weak to strong, as CSS. */
export function gradient(dark = isDark()) {
  return `linear-gradient(to right, ${(dark ? DARK : LIGHT).join(", ")})`;
}

function between(stops, share) {
  const place = share * (stops.length - 1);
  const first = Math.min(Math.floor(place), stops.length - 2);
  const rest = place - first;
  return stops[first].map((value, i) => value + rest * (stops[first + 1][i] - value));
}

// OKLab (Ottosson 2020): halfway in it looks halfway.
function toLab(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => linear(parseInt(hex.slice(at, at + 2), 16) / 255));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function toRgb([light, a, b]) {
  const l = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (light - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((value) => 255 * gamma(value));
}

function linear(value) {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function gamma(value) {
  return value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
}
