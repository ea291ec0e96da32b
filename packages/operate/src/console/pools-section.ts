import { countText, type PoolFigures, type ProcessPools, visibleText } from '@changeover/bridge';
import {
  firstOf,
  legend,
  markup,
  type Markup,
  name,
  type Piece,
  type Section,
  table,
} from '../report/markup.ts';
import { stackedBar } from '../report/html/svg-charts.ts';

const mostLines = 100;

/** The pools of the processes that run on this machine, by backend and purpose. */
export function poolsSection(processes: readonly ProcessPools[]): Section {
  const lines = processes.flatMap(({ host, pid, figures }) =>
    figures.map((one) => ({ ...one, process: `${host} ${String(pid)}` })),
  );
  const { shown, rest } = firstOf(lines, mostLines, 'line', 'lines');
  const number = (title: string): { title: string; kind: 'number' } => ({ title, kind: 'number' });
  return {
    id: 'pools',
    title: 'Pools',
    content:
      shown.length === 0
        ? markup`<p class="empty">No program that runs on this machine has a pool open in this migration.</p>`
        : [
            legend([
              { fill: 'fill-pooled', label: 'in use' },
              { fill: 'fill-reverse', label: 'idle' },
              { fill: 'fill-idle', label: 'budget' },
            ]),
            table(
              'Pools by process, backend and purpose',
              [
                { title: 'backend', kind: 'nowrap' },
                { title: 'for', kind: 'nowrap' },
                { title: 'connections', kind: 'wide' },
                number('in use'),
                number('idle'),
                number('budget'),
                number('waiting'),
                number('pools'),
                number('breakers open'),
                { title: 'process', kind: 'nowrap' },
              ],
              shown.map((line) => [
                visibleText(line.backend),
                line.purpose === 'shadow' ? 'comparison' : 'callers',
                connectionBar(line),
                countText(line.inUse),
                countText(line.idle),
                countText(line.budget),
                notable(line.waiting),
                countText(line.pools),
                notable(line.openBreakers),
                name(line.process),
              ]),
            ),
            rest,
          ],
  };
}

function notable(count: number): Piece {
  return count > 0 ? markup`<span class="bad">${countText(count)}</span>` : '0';
}

function connectionBar({ inUse, idle, connections, budget }: PoolFigures): Markup {
  const moving = Math.max(0, connections - inUse - idle);
  const label = `${countText(connections)} of at most ${countText(budget)} connections`;
  return stackedBar(label, [
    { label: `in use: ${countText(inUse)}`, value: inUse, fill: 'fill-pooled' },
    { label: `idle: ${countText(idle)}`, value: idle, fill: 'fill-reverse' },
    { label: `opening or closing: ${countText(moving)}`, value: moving, fill: 'fill-shed' },
    {
      label: `free: ${countText(Math.max(0, budget - connections))}`,
      value: Math.max(0, budget - connections),
      fill: 'fill-idle',
    },
  ]);
}
