import { markup, table } from '../../packages/operate/src/report/markup.ts';
import type { Plot } from '../bench/figure.ts';
import { type Machine, machineText } from '../bench/machine.ts';
import { digits, plotsOf, renderPage } from '../bench/page.ts';
import type { SoakResult } from './soak.ts';
import type { SoakSample } from './soak-verdict.ts';

/** The soak's page: what must be flat, what failed, and the process over time. */
export function renderSoakPage(result: SoakResult, machine: Machine, seed: number): string {
  const { calls, stageChanges, comparisons, flatness, failures, ok, samples } = result;
  const callText = Object.entries(calls)
    .map(([engine, count]) => `${engine} ${count}`)
    .join(', ');
  return renderPage(
    `Changeover: soak, ${ok ? 'held' : 'FAILED'}`,
    [
      machineText(machine),
      `Seed ${seed}. Calls: ${callText}. ${stageChanges} changes of stage; ${comparisons.compared} comparisons, ${
        comparisons.mismatch
      } mismatches, ${comparisons.shed} shed.`,
    ],
    [
      {
        id: 'flat',
        title: 'What must stay as it is',
        content: table(
          'flatness',
          [
            { title: 'what' },
            { title: 'middle third', kind: 'number' },
            { title: 'last third', kind: 'number' },
            { title: 'at most', kind: 'number' },
            { title: 'flat' },
          ],
          flatness.map(({ what, unit, middle, last, most, flat }) => [
            what,
            `${digits(middle)} ${unit}`,
            `${digits(last)} ${unit}`,
            `${digits(most)} ${unit}`,
            markup`<span class="${flat ? 'good' : 'bad'}">${flat ? 'flat' : 'grows'}</span>`,
          ]),
        ),
      },
      {
        id: 'failed',
        title: 'What failed',
        content:
          failures.length === 0
            ? 'Nothing.'
            : table(
                'failures',
                [
                  { title: 'what', kind: 'wide' },
                  { title: 'how often', kind: 'number' },
                ],
                failures,
              ),
      },
      { id: 'time', title: 'Over time', content: plotsOf(plots(samples)) },
    ],
  );
}

function plots(samples: readonly SoakSample[]): Plot[] {
  const line = (name: string, pick: (sample: SoakSample) => number): Plot['series'][number] => ({
    name,
    points: samples.map((sample) => [sample.atMs / 1_000, pick(sample)] as const),
  });
  return [
    {
      title: 'Memory',
      xTitle: 's',
      yTitle: 'MiB',
      series: [
        line('resident', ({ residentMib }) => residentMib),
        line('heap after collection', ({ heapMib }) => heapMib),
      ],
    },
    {
      title: 'Handles and connections',
      xTitle: 's',
      yTitle: 'open',
      series: [
        line('handles', ({ handles }) => handles),
        line('connections', ({ connections }) => connections),
      ],
    },
    {
      title: 'Event-loop delay, p99 between samples',
      xTitle: 's',
      yTitle: 'ms',
      series: [line('delay', ({ loopDelayMs }) => loopDelayMs)],
    },
    {
      title: 'Calls',
      xTitle: 's',
      yTitle: 'so far',
      series: [line('calls', ({ calls }) => calls)],
    },
    {
      title: 'Errors',
      xTitle: 's',
      yTitle: 'so far',
      series: [line('errors', ({ errors }) => errors)],
    },
  ];
}
