import { type Stage, stageNamed, stages } from '@changeover/core';
import {
  countText,
  type TimelineEvent,
  timeText,
  valueText,
  visibleText,
} from '@changeover/bridge';
import {
  firstOf,
  legend,
  markup,
  type Markup,
  moment,
  name,
  type Piece,
  type Section,
  table,
} from '../markup.ts';
import type { Report } from '../report.ts';
import { type BandStep, stepBands } from './svg-charts.ts';

const mostBackends = 12;
const mostEvents = 200;
/** Bands drawn of one backend; with more changes the time between two bands takes them together. */
const mostSteps = 400;

/** A change of stage, as the router tells it. */
interface StageChange {
  readonly at: number;
  readonly dataset: string;
  readonly from: Stage;
  readonly to: Stage;
  readonly reason: string;
}

/** Which stages the datasets were at, and when each changed. */
export function timelineSection({ data }: Report): Section {
  const changes = changesByBackend(data.timeline);
  // One axis for all backends, so that what happened at the same time stands in one line.
  const start = Math.min(
    data.timeline[0]?.at ?? data.generatedAt,
    ...data.runs.map(({ startedAt }) => startedAt),
  );
  const end = Math.max(data.generatedAt, data.timeline.at(-1)?.at ?? 0);
  const backends = firstOf(
    [...changes].sort(([a], [b]) => (a < b ? -1 : 1)),
    mostBackends,
    'backend',
    'backends',
  );
  // The newest are what a reader looks for.
  const events = firstOf([...data.timeline].reverse(), mostEvents, 'event', 'events');
  return {
    id: 'timeline',
    title: 'Time line',
    content:
      data.timeline.length === 0
        ? markup`<p>No change of stage was recorded.</p>`
        : [
            changes.size > 0 && [
              markup`<p class="soft">How many keys were at each stage. A red triangle marks a step back.</p>`,
              legend(stages.map((stage) => ({ fill: `fill-${stage}`, label: stage }))),
              backends.shown.map(([backend, steps]) =>
                backendBands(backend, steps, { start, end }),
              ),
              backends.rest,
            ],
            markup`<details><summary>${countText(data.timeline.length)} ${
              data.timeline.length === 1 ? 'event' : 'events'
            }, the newest first</summary>${eventTable(events.shown)}${events.rest}</details>`,
          ],
  };
}

function changesByBackend(timeline: readonly TimelineEvent[]): Map<string, StageChange[]> {
  const changes = new Map<string, StageChange[]>();
  for (const { at, kind, fields } of timeline) {
    const [from, to] = [stageNamed(fields.from), stageNamed(fields.to)];
    if (kind !== 'stage' || from === undefined || to === undefined) continue;
    const { dataset, reason } = fields;
    const backend = typeof fields['backend'] === 'string' ? fields['backend'] : '';
    const change = { at, dataset: valueOf(dataset), from, to, reason: valueOf(reason) };
    changes.set(backend, [...(changes.get(backend) ?? []), change]);
  }
  return changes;
}

function valueOf(value: unknown): string {
  return typeof value === 'string' ? value : valueText(value);
}

interface TimeSpan {
  readonly start: number;
  readonly end: number;
}

function backendBands(backend: string, changes: readonly StageChange[], span: TimeSpan): Markup {
  const back = changes
    .filter(({ from, to }) => stages.indexOf(to) < stages.indexOf(from))
    .slice(0, mostSteps)
    .map(({ at, dataset, from, to, reason }) => ({
      at,
      label: `${dataset}: ${from} → ${to}, ${reason}`,
    }));
  return markup`<h4>${name(visibleText(backend))}</h4>${stepBands(
    `Keys of ${visibleText(backend)} by stage over time`,
    bandSteps(changes, span),
    back,
  )}<div class="ends"><span>${timeText(span.start)}</span><span>${timeText(span.end)}</span></div>`;
}

/** The count of datasets at each stage between one change and the next. */
function bandSteps(changes: readonly StageChange[], { start, end }: TimeSpan): BandStep[] {
  const at = new Map<string, Stage>();
  // A dataset is at the stage it came from until its first change.
  for (const { dataset, from } of changes) if (!at.has(dataset)) at.set(dataset, from);
  const least = (end - start) / mostSteps;
  const steps: BandStep[] = [];
  let from = start;
  for (const { at: until, dataset, to } of changes) {
    if (until > from && until - from >= least) {
      steps.push({ from, to: until, parts: partsOf(at) });
      from = until;
    }
    at.set(dataset, to);
  }
  return [...steps, { from, to: end, parts: partsOf(at) }];
}

function partsOf(at: ReadonlyMap<string, Stage>): BandStep['parts'] {
  const counts = new Map<Stage, number>();
  for (const stage of at.values()) counts.set(stage, (counts.get(stage) ?? 0) + 1);
  return stages.map((stage) => ({
    label: stage,
    value: counts.get(stage) ?? 0,
    fill: `fill-${stage}`,
  }));
}

function eventTable(events: readonly TimelineEvent[]): Piece {
  return table(
    'Events, the newest first',
    [
      { title: 'time', kind: 'nowrap' },
      { title: 'what', kind: 'nowrap' },
      { title: 'where', kind: 'name' },
      { title: 'details', kind: 'wide' },
    ],
    events.map(({ at, kind, fields }) => {
      const { backend, dataset, from, to, ...others } = fields;
      const where = [backend, dataset]
        .filter((part) => part !== undefined)
        .map(valueOf)
        .join(', ');
      const step =
        from === undefined && to === undefined ? [] : [`${valueOf(from)} → ${valueOf(to)}`];
      const details = Object.entries(others)
        .filter(([, value]) => value !== undefined)
        .map(([field, value]) => `${field}: ${valueOf(value)}`);
      return [moment(at), name(kind), name(where), name([...step, ...details].join(', '))];
    }),
  );
}
