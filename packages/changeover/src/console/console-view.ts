import { engines } from '@changeover/core';
import type { ReportData } from '@changeover/router';
import { changeText } from '../command/history.ts';
import { type Migration, type Standing, standings } from '../command/migration.ts';
import { notesOf } from '../command/status.ts';
import { readableGates } from '../command/usable-gates.ts';
import type { GateDefinition } from '../report/default-gates.ts';
import { latencySection } from '../report/html/latency-section.ts';
import { firstOf, moment, name, type Section, sectionMarkup, table } from '../report/html/parts.ts';
import { mismatchSection } from '../report/html/samples-section.ts';
import { engineVerdicts } from '../report/html/summary-sections.ts';
import { markup, type Markup, type Piece } from '../report/markup.ts';
import { countText, durationText, engineTitle } from '../report/plain-text.ts';
import { decideVerdict } from '../report/verdict.ts';

const mostDatasets = 200;
const mostLines = 100;

/** What the page shows of a migration, as markup. Without buttons where nothing may be changed. */
export function consoleView(migration: Migration, readOnly: boolean): string {
  const data = migration.recordings;
  return markup`${notesOf(migration).map((note) => markup`<p class="note">${note}</p>`)}${
    data !== undefined && verdictsOf(data, readableGates(migration.place))}${
    sectionMarkup(datasetsSection(migration, readOnly))}${sectionMarkup(flagsSection(migration))}${
    data !== undefined && [mismatchSection({ data }), latencySection({ data })].map(sectionMarkup)}${
    sectionMarkup(ledgerSection(migration))}`.text;
}

function verdictsOf(data: ReportData, gates: readonly GateDefinition[] | string): Piece {
  return typeof gates === 'string' ? markup`<p class="note">${gates}</p>` : engineVerdicts(decideVerdict({ data, gates }));
}

function datasetsSection(migration: Migration, readOnly: boolean): Section {
  const { shown, rest } = firstOf(standings(migration), mostDatasets, 'datasets');
  const number = (title: string): { title: string; kind: 'number' } => ({ title, kind: 'number' });
  return {
    id: 'datasets', title: 'Datasets',
    content: [
      shown.length === 0 ? markup`<p>No dataset has been seen yet.</p>` : table('Datasets', [
        { title: 'dataset', kind: 'name' }, { title: 'stage' }, ...readOnly ? [] : [{ title: 'change' }], { title: 'why', kind: 'wide' },
        { title: 'flag asks' }, number('calls'), number('failed'), number('compared'), number('mismatches'),
      ], shown.map((standing) => [
        markup`${name(standing.dataset)} <span class="soft small">${engineTitle(standing.engine)}</span>`,
        markup`<span class="stage ${standing.stage}">${standing.stage}</span>${standing.line?.held === true && ' held'}`,
        ...readOnly ? [] : [buttons(standing)], name(standing.why), standing.flag.stage, ...counts(migration, standing),
      ])),
      rest,
      !readOnly && markup`<p class="buttons">${engines.map((engine) => migration.lastLine(engine, '')?.held === true
        ? button('resume', engine, '', `Resume all of ${engineTitle(engine)}`)
        : button('kill', engine, '', `Kill: all of ${engineTitle(engine)} to legacy`))}</p>`,
    ],
  };
}

function buttons({ engine, dataset, stage, line }: Standing): Markup {
  const held = line?.held === true && line.dataset !== '';
  return markup`<span class="buttons">${!held && stage !== 'pooled' && button('promote', engine, dataset, 'Promote')}${
    !held && button('hold', engine, dataset, 'Hold')}${stage !== 'legacy' && button('rollback', engine, dataset, 'Roll back')}${
    held && button('resume', engine, dataset, 'Resume')}</span>`;
}

function button(action: string, engine: string, dataset: string, label: string): Markup {
  const what = dataset === '' ? label : `${label} ${engine} ${dataset}`;
  return markup`<button type="button" data-action="${action}" data-engine="${engine}" data-dataset="${dataset}" aria-label="${what}">${
    label}</button>`;
}

function counts({ recordings }: Migration, { engine, dataset }: Standing): string[] {
  const totals = recordings?.byDataset.find((one) => one.backend === engine && one.dataset === dataset);
  return [totals?.calls, totals?.failed, totals?.compared, totals?.mismatch].map((count) => countText(count ?? 0));
}

function flagsSection(migration: Migration): Section {
  const { source, revision, stalenessMs, stale } = migration.flags.status();
  const confirmed = stalenessMs === undefined ? 'never confirmed'
    : stalenessMs < 10_000 ? 'confirmed just now' : `confirmed ${durationText(stalenessMs - stalenessMs % 10_000)} ago`;
  return {
    id: 'flags', title: 'Flags',
    content: markup`<p>From <strong>${source}</strong>${revision !== '' && `, revision ${revision}`}, ${confirmed}${
      stale && markup`, <strong class="bad">stale</strong>`}. <span class="soft">${
      name(migration.place.unleashUrl ?? migration.place.flagsFile)}</span></p>`,
  };
}

function ledgerSection(migration: Migration): Section {
  const { shown, rest } = firstOf(migration.ledger.toReversed(), mostLines, 'lines');
  return {
    id: 'ledger', title: 'Ledger',
    content: [
      markup`<p class="soft small">${name(migration.ledgerPlace)}</p>`,
      shown.length === 0 ? markup`<p>Nothing has been moved yet.</p>`
        : markup`<ol class="timeline">${shown.map((line) => markup`<li>${moment(line.at)} <strong>${engineTitle(line.backend)} ${
          line.dataset === '' ? 'all datasets' : name(line.dataset)}</strong> ${changeText(line)} <span class="soft">by ${
          name(line.who)}:</span> ${name(line.reason)}</li>`)}</ol>`,
      rest,
    ],
  };
}
