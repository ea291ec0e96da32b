import { firstOf, markup, moment, name, type Piece, type Section, table } from '../markup.ts';
import { countText, type DataCheck, tablesHeldText, visibleText } from '@changeover/bridge';
import type { Report } from '../report.ts';
import { ruleOutcome, ruleText } from '../rule-text.ts';

const mostChecks = 200;
const mostRuns = 50;
const mostRules = 100;
const mostNotes = 50;
const mostFacts = 100;

/** Tables held against references that were computed apart from both legs. */
export function dataChecksSection({ dataChecks }: Report): Section {
  if (dataChecks === undefined || dataChecks.length === 0) {
    return {
      id: 'data-checks',
      title: 'Data checks',
      content: markup`<p>No table was checked against a reference.</p>`,
    };
  }
  const [failed, held] = [dataChecks.filter(({ ok }) => !ok), dataChecks.filter(({ ok }) => ok)];
  return {
    id: 'data-checks',
    title: 'Data checks',
    content: [
      markup`<p class="soft">${tablesHeldText(held.length, dataChecks.length)}.</p>`,
      failed.length > 0 && checkTable('Tables that are not as expected', failed),
      held.length > 0 &&
        markup`<details><summary>${countText(held.length)} ${held.length === 1 ? 'table is' : 'tables are'} as expected</summary>${checkTable(
          'Tables that are as expected',
          held,
        )}</details>`,
    ],
  };
}

function checkTable(label: string, checks: readonly DataCheck[]): Piece {
  const { shown, rest } = firstOf(checks, mostChecks, 'table', 'tables');
  return [
    table(
      label,
      [
        { title: 'table', kind: 'name' },
        { title: 'key', kind: 'name' },
        { title: 'backend', kind: 'nowrap' },
        { title: 'rows', kind: 'number' },
        { title: 'outcome', kind: 'nowrap' },
        { title: 'expected', kind: 'wide' },
        { title: 'found', kind: 'wide' },
      ],
      shown.map(({ backend, key, table: tableName, rows, ok, expected, found }) => [
        name(tableName),
        name(key),
        name(visibleText(backend)),
        countText(rows),
        ok
          ? markup`<span class="good">✓ as expected</span>`
          : markup`<span class="bad">✕ differs</span>`,
        markup`<span class="mono">${name(expected)}</span>`,
        markup`<span class="mono">${name(found)}</span>`,
      ]),
    ),
    rest,
  ];
}

/** Where the legs may rightly differ, and whether each rule was needed. */
export function rulesSection({ data: { rules } }: Report): Section {
  const { shown, rest } = firstOf(rules, mostRules, 'rule', 'rules');
  return {
    id: 'rules',
    title: 'Rules',
    content:
      rules.length === 0
        ? markup`<p>No rule lets the legs differ.</p>`
        : [
            table(
              'Rules',
              [
                { title: 'backend', kind: 'nowrap' },
                { title: 'rule', kind: 'wide' },
                { title: 'where', kind: 'name' },
                { title: 'reason', kind: 'name' },
                { title: 'uses', kind: 'number' },
                { title: 'outcome', kind: 'name' },
              ],
              shown.map((rule) => {
                const { what, where, why } = ruleText(rule);
                const outcome = ruleOutcome(rule);
                return [
                  name(visibleText(rule.backend)),
                  name(what),
                  name(where),
                  name(why),
                  countText(rule.uses),
                  rule.dead || rule.failures > 0
                    ? markup`<span class="open">${outcome}</span>`
                    : outcome,
                ];
              }),
            ),
            rest,
          ],
  };
}

/** Where the figures come from, and what is missing from them. */
export function provenanceSection({ data, provenance = {} }: Report): Section {
  const facts = firstOf(Object.entries(provenance), mostFacts, 'fact', 'facts');
  const runs = firstOf([...data.runs].reverse(), mostRuns, 'run', 'runs');
  const notes = firstOf(data.notes, mostNotes, 'note', 'notes');
  return {
    id: 'provenance',
    title: 'Provenance',
    content: [
      notes.shown.length > 0 &&
        markup`<h3>What is missing</h3><ul>${notes.shown.map((note) => markup`<li>${name(note)}</li>`)}</ul>`,
      notes.rest,
      facts.shown.length > 0 &&
        table(
          'Provenance',
          [{ title: 'what' }, { title: 'value', kind: 'wide' }],
          facts.shown.map(([key, value]) => [name(key), name(value)]),
        ),
      facts.rest,
      runs.shown.length === 0
        ? markup`<p>No run is known.</p>`
        : table(
            'Runs',
            [
              { title: 'run', kind: 'name' },
              { title: 'host', kind: 'name' },
              { title: 'process', kind: 'number' },
              { title: 'Node', kind: 'nowrap' },
              { title: 'started', kind: 'nowrap' },
              { title: 'last stored', kind: 'nowrap' },
            ],
            runs.shown.map(({ run, host, pid, node, startedAt, lastAt }) => [
              name(run),
              name(host),
              pid,
              name(node),
              moment(startedAt),
              moment(lastAt),
            ]),
          ),
      runs.rest,
    ],
  };
}
