import type { TablePlace } from './checkpoint.ts';
import type { VerifyProgress } from './verify-types.ts';

/** Tells how far a verification is. What it tells can't break it. */
export class ProgressMeter {
  tablesTotal = 0;
  tablesDone = 0;
  rowsRead = 0;
  readonly #told: ((progress: VerifyProgress) => void) | undefined;
  readonly #nowMs: () => number;
  #place: TablePlace | undefined;
  #phase: VerifyProgress['phase'] | undefined;
  #beganMs = 0;
  #beganRows: number | undefined;

  constructor(told: ((progress: VerifyProgress) => void) | undefined, nowMs: () => number) {
    this.#told = told;
    this.#nowMs = nowMs;
  }

  begin(place: TablePlace): void {
    this.#place = place;
    this.#phase = undefined;
  }

  /**
   * @param rows of the left side, in this phase; where it was resumed, those of the earlier process among them.
   * @param read rows read since the last report, on both sides.
   */
  report(
    phase: VerifyProgress['phase'],
    rows: number,
    totalRows: number | undefined,
    read: number,
    waiting?: string,
  ): void {
    this.rowsRead += read;
    const nowMs = this.#nowMs();
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#beganMs = nowMs;
      this.#beganRows = rows;
    }
    const place = this.#place;
    if (this.#told === undefined || place?.table === undefined) return;
    const passed = (nowMs - this.#beganMs) / 1_000;
    const rowsPerSecond = passed > 0 ? (rows - (this.#beganRows ?? 0)) / passed : 0;
    const left =
      totalRows === undefined || rowsPerSecond <= 0
        ? undefined
        : Math.max(0, totalRows - rows) / rowsPerSecond;
    try {
      this.#told({
        engine: place.engine,
        dataset: place.dataset,
        table: place.table,
        phase,
        rows,
        totalRows,
        tablesDone: this.tablesDone,
        tablesTotal: Math.max(this.tablesTotal, this.tablesDone),
        rowsPerSecond,
        secondsLeft: left,
        waiting,
      });
    } catch {
      // Who looks on must not stop it.
    }
  }
}
