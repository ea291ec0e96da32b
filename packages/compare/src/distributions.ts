/**
 * The regularized incomplete beta function I_x(a, b), by its continued fraction (modified Lentz's method; DLMF
 * 8.17.22).
 * Relative error about 1e-12 for small a and b, below 1e-7 for 1e7.
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast on one side of the mean only.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front =
    Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) /
    a;
  const tiny = 1e-300;
  const kept = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / kept(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 100_000; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / kept(1 + even * d);
    c = kept(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / kept(1 + odd * d);
    c = kept(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-14) break;
  }
  return front * fraction;
}

/** The x at which I_x(a, b) is `probability`, by bisection to the last bit that matters. */
export function inverseIncompleteBeta(probability: number, a: number, b: number): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < 200 && high - low > 1e-15 * high; step += 1) {
    const middle = (low + high) / 2;
    if (incompleteBeta(middle, a, b) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Quantiles that were asked for, by probability and degrees: each takes 20 to 50 µs, and a report over many keys asks for the same ones
 * whenever it is looked at. */
const quantiles = new Map<string, number>();
const mostQuantiles = 4_096;

/** The t that a Student-t variable of so many degrees of freedom stays below with `probability`, 0.5 to 1. */
export function studentQuantile(probability: number, degrees: number): number {
  const asked = `${String(probability)} ${String(degrees)}`;
  let quantile = quantiles.get(asked);
  if (quantile === undefined) {
    const x = inverseIncompleteBeta(2 * (1 - probability), degrees / 2, 0.5);
    quantile = Math.sqrt(degrees * (1 / x - 1));
    if (quantiles.size === mostQuantiles) quantiles.clear();
    quantiles.set(asked, quantile);
  }
  return quantile;
}

/** The natural logarithm of the gamma function for positive arguments, by Stirling's series from 12 up. */
function logGamma(argument: number): number {
  let z = argument;
  let shift = 0;
  for (; z < 12; z += 1) shift += Math.log(z);
  const inverse = 1 / (z * z);
  const series =
    (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) /
    z;
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}
