import type { Migration } from '../command/migration.ts';
import { notesOf } from '../command/status.ts';
import { keyDetail } from '../report/html/key-detail.ts';
import { latencySection } from '../report/html/latency-section.ts';
import {
  markup,
  type Markup,
  name,
  type Piece,
  type Section,
  sectionMarkup,
} from '../report/markup.ts';
import { relianceSection } from '../report/html/reliance-section.ts';
import { mismatchSection } from '../report/html/samples-section.ts';
import { gatesSection, overviewSection, stagesSection } from '../report/html/summary-sections.ts';
import { timeSection } from '../report/html/time-section.ts';
import { durationText, partsAtOnce, type Steps, visibleText } from '@changeover/bridge';
import { againButtons, copyButton } from './again-buttons.ts';
import { backendCards } from './backend-cards.ts';
import type { WorkedFigures } from './console-figures.ts';
import { keyButtons, keysSection } from './keys-section.ts';
import { ledgerSection } from './ledger-section.ts';
import type { PageRequest } from './page-request.ts';
import { poolsSection } from './pools-section.ts';

const stillRead =
  'These are counts alone: latencies, shapes of calls and what gates say of them are being read.';

/** What a page shows of a migration, as markup: in steps, a section each. */
export function* viewInSteps(figures: WorkedFigures, request: PageRequest): Steps<string> {
  const { migration, gatesProblem, reading } = figures;
  const notes = [
    ...(reading === 'counts' ? [stillRead] : []),
    ...notesOf(migration),
    ...(gatesProblem === undefined ? [] : [gatesProblem]),
  ];
  const head = markup`${notes.map((note) => markup`<p class="note">${note}</p>`)}${flagsStrip(migration)}`;
  yield partsAtOnce;
  const body =
    request.key === undefined
      ? yield* listInSteps(figures, request)
      : keyView(figures, request.key);
  return head.text + body.text;
}

function* listInSteps(figures: WorkedFigures, request: PageRequest): Steps<Markup> {
  const cards = backendCards(figures);
  yield partsAtOnce;
  const contents: Piece[] = [];
  const sections: Markup[] = [];
  for (const section of sectionsOf(figures, request)) {
    contents.push(markup`<li><a href="#${section.id}">${section.title}</a></li>`);
    sections.push(sectionMarkup(section));
    yield partsAtOnce;
  }
  return markup`${cards}<nav aria-label="Sections"><ul>${contents}</ul></nav>${sections}`;
}

/** Each is made when it is asked for. */
function* sectionsOf(figures: WorkedFigures, request: PageRequest): Generator<Section> {
  const { migration, verdict, readOnly, pools, minutes, reading } = figures;
  const data = migration.recordings;
  const isAll = reading === 'all';
  yield keysSection(figures, request);
  if (data !== undefined && isAll) {
    yield { ...overviewSection({ data }), title: 'Comparisons and verdicts' };
    yield { ...stagesSection({ data }), title: 'By backend and stage' };
    yield timeSection({ data }, minutes.byBackend);
    yield latencySection({ data });
  }
  yield poolsSection(pools);
  if (data !== undefined) {
    yield mismatchSection({ data }, (group) => againButtons(group, readOnly));
    if (isAll) yield relianceSection({ data });
    if (verdict !== undefined) yield gatesSection({ data }, verdict);
  }
  yield ledgerSection(migration);
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
    !readOnly && keyButtons(migration.keyStatus(backend, key), line)
  }</div>${keyDetail(finder.figures(line), own, {
    mismatchActions: (group) => againButtons(group, readOnly),
    commandActions: copyButton,
  })}</section>`;
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
