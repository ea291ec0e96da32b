import type { Migration } from '../command/migration.ts';
import { notesOf } from '../command/status.ts';
import { readableGates } from '../command/usable-gates.ts';
import { latencySection } from '../report/html/latency-section.ts';
import { name, sectionMarkup } from '../report/html/parts.ts';
import { relianceSection } from '../report/html/reliance-section.ts';
import { mismatchSection } from '../report/html/samples-section.ts';
import { gatesSection, overviewSection, stagesSection } from '../report/html/summary-sections.ts';
import { markup, type Piece } from '../report/markup.ts';
import { durationText } from '@changeover/bridge';
import type { ProcessPools } from '@changeover/bridge';
import { keysSection } from './keys-section.ts';
import { backendCards } from './backend-cards.ts';
import { ledgerSection } from './ledger-section.ts';
import { poolsSection } from './pools-section.ts';

/** What the page is made of. */
export interface ConsoleFigures {
  readonly migration: Migration;
  readonly pools: readonly ProcessPools[];
  /** Without buttons where nothing may be changed. */
  readonly readOnly: boolean;
}

/** What the page shows of a migration, as markup. */
export function consoleView({ migration, pools, readOnly }: ConsoleFigures): string {
  const data = migration.recordings;
  const gates = readableGates(migration.place);
  const verdict =
    data === undefined || typeof gates === 'string' ? undefined : migration.judge().verdict();
  const notes = [...notesOf(migration), ...(typeof gates === 'string' ? [gates] : [])];
  const sections = [
    keysSection(migration, readOnly),
    ...(data === undefined
      ? []
      : [
          { ...overviewSection({ data }), title: 'Comparisons and verdicts' },
          { ...stagesSection({ data }), title: 'By backend and stage' },
          latencySection({ data }),
        ]),
    poolsSection(pools),
    ...(data === undefined ? [] : [mismatchSection({ data }), relianceSection({ data })]),
    ...(data === undefined || verdict === undefined ? [] : [gatesSection({ data }, verdict)]),
    ledgerSection(migration),
  ];
  return markup`${notes.map((note) => markup`<p class="note">${note}</p>`)}${flagsStrip(migration)}${backendCards(
    migration,
    verdict,
    readOnly,
  )}<nav aria-label="Sections"><ul>${sections.map(
    ({ id, title }) => markup`<li><a href="#${id}">${title}</a></li>`,
  )}</ul></nav>${sections.map(sectionMarkup)}`.text;
}

/** Where the flags come from, and how old that is: a stale flag explains more nights than any other line. */
function flagsStrip({ flags, place }: Migration): Piece {
  const { source, revision, stalenessMs, stale } = flags.status();
  const confirmed =
    stalenessMs === undefined
      ? 'never confirmed'
      : stalenessMs < 10_000
        ? 'confirmed just now'
        : `confirmed ${durationText(stalenessMs - (stalenessMs % 10_000))} ago`;
  return markup`<p class="strip" id="flags"><span class="soft">Flags from</span> <strong>${
    source === 'default' ? 'nowhere: all on legacy' : source
  }</strong>${
    revision !== '' && markup` <span class="soft">revision</span> <code>${revision}</code>`
  } ${
    stale
      ? markup`<span class="pill bad">stale, ${confirmed}</span>`
      : markup`<span class="pill good">${confirmed}</span>`
  } <span class="soft small">${name(place.unleashUrl ?? place.flagsFile)}</span></p>`;
}
