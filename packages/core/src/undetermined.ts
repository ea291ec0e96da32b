/** Why a call's result is not determined by the data alone, as far as the call itself shows it. */
export interface Undetermined {
  /** `volatile`: anything may differ. `choice`: which rows, or in which order they are put together; not how many.
   * `rounding`: the last digits of numbers. */
  readonly kind: 'volatile' | 'choice' | 'rounding';
  /** For the report. */
  readonly reason: string;
}
