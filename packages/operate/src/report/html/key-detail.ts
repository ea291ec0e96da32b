import {
  counted,
  countText,
  type GateOutcome,
  shapeText,
  shareText,
  type TimeSlice,
  visibleText,
} from '@changeover/bridge';
import { failedCalls } from '../failed-calls.ts';
import { gateCondition, gateValue } from '@changeover/bridge';
import type { KeyFigures } from '../key-figures.ts';
import { badge, firstOf, markup, type Markup, moment, name, type Piece, table } from '../markup.ts';
import { stageMeaning } from '../stage-text.ts';
import { relianceOfKey } from './reliance-section.ts';
import type { MismatchActions } from './samples-section.ts';
import { timeContent } from './time-section.ts';

const mostShapes = 40;
const mostGroups = 20;
const mostGates = 40;
const mostLines = 20;

/** Columns of numbers. */
function number(title: string): { title: string; kind: 'number' } {
  return { title, kind: 'number' };
}

function noted(count: number): Piece {
  return count > 0 ? markup`<span class="bad">${countText(count)}</span>` : '0';
}

/** All of one key: where it stands and why, what its gates miss, what was seen of it, and when. */
export function keyDetail(
  figures: KeyFigures,
  seen: readonly TimeSlice[] = [],
  actions?: MismatchActions,
): Piece {
  const { hours, minutes } = figures;
  const what = `${figures.line.backend} ${figures.line.key}`;
  return [
    standing(figures),
    part('Gates', gates(figures)),
    part('Evidence by shape of call', shapes(figures)),
    part('Mismatches', mismatches(figures, actions)),
    part('Errors', [errorsByShape(figures), errors(figures)]),
    part('What its callers rely on', relianceOfKey(figures.reliance)),
    part('Over time', timeContent(visibleText(what), { hours, minutes, seen })),
    part('Ledger', ledger(figures)),
  ];
}

function part(title: string, content: Piece): Markup {
  return markup`<h3>${title}</h3>${content}`;
}

function standing({ line, verdict, since, background: { flag } }: KeyFigures): Markup {
  const facts: (readonly [string, Piece])[] = [
    ['stage', markup`<strong>${line.stage}</strong>: ${stageMeaning(line.stage)}`],
    ['since', name(visibleText(since))],
    ...(flag === undefined
      ? []
      : [
          [
            'flag',
            markup`<code>${flag.name}</code> asks for <strong>${flag.stage}</strong>: ${name(
              visibleText(flag.reason),
            )}${flag.revision !== '' && markup` <span class="soft">(from the ${flag.source}, revision ${flag.revision})</span>`}`,
          ] as const,
        ]),
    [
      'next step',
      verdict === undefined
        ? 'nothing stands before shadow: callers are still answered by the legacy leg.'
        : markup`${badge(verdict.decision)} ${name(verdict.reason)}`,
    ],
    ...(verdict === undefined || verdict.next.length === 0
      ? []
      : [['to type', verdict.next.map((command) => markup`<code>${command}</code> `)] as const]),
  ];
  return markup`<dl class="facts">${facts.map(
    ([term, fact]) => markup`<dt>${term}</dt><dd>${fact}</dd>`,
  )}</dl>`;
}

const signs = {
  pass: markup`<span class="good">✓ holds</span>`,
  fail: markup`<span class="bad">✕ fails</span>`,
  inconclusive: markup`<span class="open">? too little</span>`,
} as const;

function gates({ verdict }: KeyFigures): Piece {
  if (verdict === undefined || verdict.gates.length === 0)
    return markup`<p class="empty">${
      verdict === undefined || verdict.stage === 'legacy'
        ? 'None is asked at legacy.'
        : 'None is asked while it is held.'
    }</p>`;
  const open = verdict.gates.filter(({ outcome }) => outcome !== 'pass');
  const held = verdict.gates.filter(({ outcome }) => outcome === 'pass');
  const failed = (gate: GateOutcome): number => (gate.outcome === 'fail' ? 0 : 1);
  return [
    open.length === 0
      ? markup`<p class="good">All ${counted(held.length, 'gate holds', 'gates hold')}.</p>`
      : gateTable(
          'Gates that do not hold',
          [...open].sort((a, b) => failed(a) - failed(b)),
        ),
    held.length > 0 &&
      markup`<details><summary>${counted(held.length, 'gate holds', 'gates hold')}</summary>${gateTable(
        'Gates that hold',
        held,
      )}</details>`,
  ];
}

function gateTable(label: string, outcomes: readonly GateOutcome[]): Piece {
  const { shown, rest } = firstOf(outcomes, mostGates, 'gate', 'gates');
  return [
    table(
      label,
      [
        { title: 'outcome', kind: 'nowrap' },
        { title: 'gate', kind: 'wide' },
        { title: 'of', kind: 'name' },
        number('value'),
        number('asked'),
      ],
      shown.map((gate) => [
        signs[gate.outcome],
        markup`${gate.title}${gate.reason !== undefined && markup`<br><strong>${name(gate.reason)}</strong>`}`,
        name(subjectOf(gate)),
        gateValue(gate),
        gateCondition(gate),
      ]),
    ),
    rest,
  ];
}

function subjectOf({ key, operation, shape, backend }: GateOutcome): string {
  if (operation !== undefined) return shapeText({ operation, shape: shape ?? '' });
  return key === undefined ? `all keys of ${visibleText(backend)}` : 'this key';
}

function shapes({ shapes: all }: KeyFigures): Piece {
  if (all.length === 0) return markup`<p class="empty">No call was told apart by its shape.</p>`;
  const { shown, rest } = firstOf(
    [...all].sort((a, b) => b.mismatch - a.mismatch || b.calls - a.calls),
    mostShapes,
    'shape',
    'shapes',
  );
  return [
    table(
      'Evidence by shape of call and stage',
      [
        { title: 'call', kind: 'wide' },
        { title: 'stage', kind: 'nowrap' },
        number('calls'),
        number('compared'),
        number('match'),
        number('mismatch'),
        number('no verdict'),
        { title: 'last seen', kind: 'nowrap' },
      ],
      shown.map((shape) => [
        markup`<code>${shapeText(shape)}</code>${
          shape.notComparable !== undefined &&
          markup`<br><span class="soft small">not compared: ${name(shape.notComparable)}</span>`
        }`,
        shape.stage,
        countText(shape.calls),
        countText(shape.compared),
        countText(shape.match),
        noted(shape.mismatch),
        countText(shape.raced + shape.nondeterministic + shape.inconclusive),
        moment(shape.lastSeen),
      ]),
    ),
    rest,
  ];
}

function mismatches({ mismatches: groups, line }: KeyFigures, actions?: MismatchActions): Piece {
  if (groups.length === 0)
    return markup`<p class="empty">${
      line.mismatch === 0
        ? 'None was found.'
        : `${countText(line.mismatch)} were counted; no sample of them was kept.`
    }</p>`;
  const { shown, rest } = firstOf(groups, mostGroups, 'reason', 'reasons');
  return [
    table(
      'Mismatches by reason',
      [
        { title: 'call' },
        { title: 'what differs', kind: 'nowrap' },
        number('count'),
        { title: 'last seen', kind: 'nowrap' },
        { title: 'a sample', kind: 'wide' },
      ],
      shown.map((group) => {
        const sample = group.samples.findLast(({ dataset }) => dataset === line.key);
        return [
          name(group.operation),
          name(group.class),
          countText(group.count),
          moment(group.lastAt),
          [name(sample?.summary), actions?.(group)],
        ];
      }),
    ),
    rest,
  ];
}

/** Which statement it is, where an operation has more than one. */
function errorsByShape({ shapes: all }: KeyFigures): Piece {
  const { shown, rest } = firstOf(
    failedCalls(all).filter(({ shape }) => shape !== ''),
    mostShapes,
    'shape',
    'shapes',
  );
  if (shown.length === 0) return false;
  return [
    table(
      'Failed calls by shape of call and stage',
      [
        { title: 'call', kind: 'wide' },
        { title: 'stage', kind: 'nowrap' },
        number('calls'),
        number('failed'),
        number('of calls'),
        { title: 'last seen', kind: 'nowrap' },
      ],
      shown.map((shape) => [
        markup`<code>${shapeText(shape)}</code>`,
        shape.stage,
        countText(shape.calls),
        noted(shape.failed),
        shape.calls === 0 ? '–' : shareText(shape.failed / shape.calls),
        moment(shape.lastSeen),
      ]),
    ),
    rest,
  ];
}

function errors({ cells }: KeyFigures): Piece {
  const failing = cells.filter(({ failed, fallbacks }) => failed > 0 || fallbacks > 0);
  if (failing.length === 0) return markup`<p class="empty">No caller saw a call fail.</p>`;
  return [
    table(
      'Failed calls by operation and stage',
      [
        { title: 'operation' },
        { title: 'stage', kind: 'nowrap' },
        number('calls'),
        number('failed'),
        number('of calls'),
        number('answered by legacy instead'),
      ],
      failing.map(({ operation, stage, calls, failed, fallbacks }) => [
        name(operation),
        stage ?? '–',
        countText(calls),
        noted(failed),
        calls === 0 ? '–' : shareText(failed / calls),
        countText(fallbacks),
      ]),
    ),
    markup`<p class="small soft">Which errors they were is in the program's log: a recording keeps counts.</p>`,
  ];
}

function ledger({ background: { ledger: lines = [] } }: KeyFigures): Piece {
  const { shown, rest } = firstOf(lines.toReversed(), mostLines, 'line', 'lines');
  if (shown.length === 0) return markup`<p class="empty">Nothing is written of it.</p>`;
  return [
    table(
      'Ledger, the latest first',
      [
        { title: 'when', kind: 'nowrap' },
        { title: 'change', kind: 'nowrap' },
        { title: 'who', kind: 'name' },
        { title: 'why', kind: 'wide' },
      ],
      shown.map((line) => [
        moment(line.at),
        `${line.from} → ${line.to}${line.held ? ', held' : ''}${line.dataset === '' ? ' (all keys)' : ''}`,
        name(line.who),
        name(visibleText(line.reason)),
      ]),
    ),
    rest,
  ];
}
