import type { Migration } from '../command/migration.ts';
import { notesOf } from '../command/status.ts';
import { keyDetail } from '../report/html/key-detail.ts';
import { latencySection } from '../report/html/latency-section.ts';
import { markup, type Markup, name, type Piece, sectionMarkup } from '../report/markup.ts';
import { relianceSection } from '../report/html/reliance-section.ts';
import { mismatchSection } from '../report/html/samples-section.ts';
import { gatesSection, overviewSection, stagesSection } from '../report/html/summary-sections.ts';
import { timeSection } from '../report/html/time-section.ts';
import { durationText, visibleText } from '@changeover/bridge';
import { againButtons } from './again-buttons.ts';
import { backendCards } from './backend-cards.ts';
import type { WorkedFigures } from './console-figures.ts';
import { keyButtons, keysSection } from './keys-section.ts';
import { ledgerSection } from './ledger-section.ts';
import type { PageRequest } from './page-request.ts';
import { poolsSection } from './pools-section.ts';

/** What a page shows of a migration, as markup. */
export function consoleView(figures: WorkedFigures, request: PageRequest): string {
  const { migration, gatesProblem } = figures;
  const notes = [...notesOf(migration), ...(gatesProblem === undefined ? [] : [gatesProblem])];
  return markup`${notes.map((note) => markup`<p class="note">${note}</p>`)}${flagsStrip(migration)}${
    request.key === undefined ? listView(figures, request) : keyView(figures, request.key)
  }`.text;
}

function listView(figures: WorkedFigures, request: PageRequest): Piece {
  const { migration, verdict, readOnly, pools, minutes } = figures;
  const data = migration.recordings;
  const sections = [
    keysSection(figures, request),
    ...(data === undefined
      ? []
      : [
          { ...overviewSection({ data }), title: 'Comparisons and verdicts' },
          { ...stagesSection({ data }), title: 'By backend and stage' },
          timeSection({ data }, minutes.byBackend),
          latencySection({ data }),
        ]),
    poolsSection(pools),
    ...(data === undefined
      ? []
      : [
          mismatchSection({ data }, (group) => againButtons(group, readOnly)),
          relianceSection({ data }),
        ]),
    ...(data === undefined || verdict === undefined ? [] : [gatesSection({ data }, verdict)]),
    ledgerSection(migration),
  ];
  return markup`${backendCards(migration, verdict, readOnly)}<nav aria-label="Sections"><ul>${sections.map(
    ({ id, title }) => markup`<li><a href="#${id}">${title}</a></li>`,
  )}</ul></nav>${sections.map(sectionMarkup)}`;
}

/** One key's page. */
function keyView(
  { migration, lines, finder, readOnly, minutes }: WorkedFigures,
  { backend, key }: NonNullable<PageRequest['key']>,
): Markup {
  const line = lines.find((one) => one.backend === backend && one.key === key);
  const all = markup`<p data-key="all"><a href="/">‹ All keys</a></p>`;
  if (line === undefined)
    return markup`${all}<p class="empty">No key ${name(visibleText(key))} of ${name(
      visibleText(backend),
    )} has been seen.</p>`;
  const own = minutes.byDataset.filter(
    (slice) => slice.backend === backend && slice.dataset === key,
  );
  return markup`${all}<section id="key" aria-labelledby="key-title"><div class="card-head"><h2 id="key-title">${name(
    visibleText(key),
  )} <span class="soft small">${visibleText(backend)}</span></h2>${
    !readOnly && keyButtons(migration.keyStatus(backend, key))
  }</div>${keyDetail(finder.figures(line), own, (group) =>
    againButtons(group, readOnly),
  )}</section>`;
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
