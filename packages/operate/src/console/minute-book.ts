import type { HourBook, TimeSlice, TimeSlices } from '@changeover/bridge';

const minuteMs = 60_000;
/** How many are kept: an hour's. */
const keptMinutes = 60;
/** After a longer gap what happened in it is no minute's. */
const longestMs = 5 * minuteMs;

/** Minutes as they pass, for whoever looks at a recording again and again: the recording itself keeps hours. */
export class MinuteBook implements TimeSlices {
  #last: HourBook | undefined = undefined;
  #byBackend: readonly TimeSlice[] = [];
  #byDataset: readonly TimeSlice[] = [];

  get byBackend(): readonly TimeSlice[] {
    return this.#byBackend;
  }

  get byDataset(): readonly TimeSlice[] {
    return this.#byDataset;
  }

  look(hours: HourBook): void {
    const last = this.#last;
    const passedMs = hours.at - (last?.at ?? -Infinity);
    if (passedMs < minuteMs) return;
    this.#last = hours;
    if (last === undefined || passedMs > longestMs) return;
    const { byBackend, byDataset } = hours.slicesSince(last);
    const kept = ({ from }: TimeSlice): boolean => from >= hours.at - keptMinutes * minuteMs;
    this.#byBackend = [...this.#byBackend.filter(kept), ...byBackend];
    this.#byDataset = [...this.#byDataset.filter(kept), ...byDataset];
  }
}
