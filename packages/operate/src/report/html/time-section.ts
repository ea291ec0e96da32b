import { countText, durationText, type TimeSlice, visibleText } from '@changeover/bridge';
import { firstOf, markup, name, type Piece, type Section } from '../markup.ts';
import type { Report } from '../report.ts';
import { hoursThenMinutes, slowSince } from '../slow-since.ts';
import { timeChart, timeLegend, timeTable } from './time-chart.ts';

const mostBackends = 12;

/** When something began: both legs' latency, calls and what went wrong, slice by slice of time, a backend at a time.
 *
 * @param seen minutes as whoever shows them saw them pass, for a recording that keeps none. */
export function timeSection(
  { data }: Pick<Report, 'data'>,
  seen: readonly TimeSlice[] = [],
): Section {
  const hours = data.hours?.byBackend;
  const recorded = data.minutes?.byBackend ?? [];
  const names = [
    ...new Set([...(hours ?? []), ...recorded, ...seen].map(({ backend }) => backend)),
  ].sort();
  const { shown, rest } = firstOf(names, mostBackends, 'backend', 'backends');
  return {
    id: 'time',
    title: 'Over time',
    content:
      hours === undefined
        ? markup`<p class="empty">When something began can't be told here: a report that is made from the comparison store has the hours and minutes.</p>`
        : shown.length === 0
          ? markup`<p class="empty">No call was made in the last 48 hours.</p>`
          : [
              timeLegend(),
              shown.map((backend) => [
                markup`<h3>${name(visibleText(backend))}</h3>`,
                timeContent(visibleText(backend), {
                  hours: hours.filter((one) => one.backend === backend),
                  minutes: recorded.filter((one) => one.backend === backend),
                  seen: seen.filter((one) => one.backend === backend),
                }),
              ]),
              rest,
            ],
  };
}

/** Slices of one key or backend. */
export interface OwnSlices {
  readonly hours: readonly TimeSlice[];
  /** As they were recorded. */
  readonly minutes: readonly TimeSlice[];
  /** As far as whoever shows them saw them pass; shown where none were recorded. */
  readonly seen: readonly TimeSlice[];
}

/** @param what whose they are, for who can't see the drawing. */
export function timeContent(what: string, { hours, minutes: recorded, seen }: OwnSlices): Piece {
  const minutes = recorded.length > 0 ? recorded : seen;
  const slices = hoursThenMinutes(hours, minutes);
  const slow = (['legacy', 'pooled'] as const).flatMap((leg) => slowSince(slices, leg) ?? []);
  return [
    slow.map((line) => markup`<p class="open">${line}</p>`),
    minutes.length > 0 && [
      markup`<p class="small soft">Minute by minute, ${
        recorded.length > 0 ? 'as they were recorded' : 'as this console saw them pass'
      }. All times are UTC.</p>`,
      timeChart(`${what} by the minute`, minutes),
      listed('minute', `${what} by the minute`, minutes),
    ],
    hours.length > 0 && [
      markup`<p class="small soft">Hour by hour, as they were recorded. All times are UTC.</p>`,
      timeChart(`${what} by the hour`, hours),
      listed('hour', `${what} by the hour`, hours),
    ],
    hours.length === 0 &&
      minutes.length === 0 &&
      markup`<p class="empty">No call was made in the last 48 hours.</p>`,
  ];
}

function listed(unit: string, label: string, slices: readonly TimeSlice[]): Piece {
  const span = (slices.at(-1)?.to ?? 0) - (slices[0]?.from ?? 0);
  return markup`<details><summary>${countText(slices.length)} ${slices.length === 1 ? unit : `${unit}s`} with calls${
    span > 0 && ` of ${durationText(span)}`
  }, the newest first</summary>${timeTable(label, slices)}</details>`;
}
