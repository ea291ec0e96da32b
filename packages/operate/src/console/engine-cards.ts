import { allKeys, stages } from '@changeover/core';
import { type Migration, type KeyStatus, keyStatuses } from '../command/migration.ts';
import { badge } from '../report/html/parts.ts';
import { markup, type Markup, type Piece } from '../report/markup.ts';
import { countText, visibleText } from '@changeover/bridge';
import type { EngineVerdict, ReportVerdict } from '@changeover/bridge';
import { changeButton } from './change-button.ts';

/** Each engine on a card: how far its datasets are, what the gates say, and the button that ends it all. */
export function engineCards(
  migration: Migration,
  verdict: ReportVerdict | undefined,
  readOnly: boolean,
): Markup {
  const all = keyStatuses(migration);
  return markup`<ul class="engines" aria-label="Engines">${migration.backends.map((engine) =>
    card(
      migration,
      engine,
      all.filter((one) => one.engine === engine),
      verdict?.engines.find((one) => one.engine === engine),
      readOnly,
    ),
  )}</ul>`;
}

function card(
  migration: Migration,
  engine: string,
  datasets: readonly KeyStatus[],
  verdict: EngineVerdict | undefined,
  readOnly: boolean,
): Markup {
  const killed = migration.lastLine(engine, allKeys)?.held === true;
  const title = visibleText(engine);
  return markup`<li data-key="${engine}"><div class="card-head"><span class="name">${title}</span>${
    killed
      ? markup`<span class="pill bad">all held at legacy</span>`
      : verdict !== undefined && badge(verdict.decision)
  }${
    !readOnly &&
    markup`<span class="buttons">${
      killed
        ? changeButton('resume', engine, allKeys, `Resume: all of ${title}`)
        : changeButton('kill', engine, allKeys, `Kill: all of ${title} to legacy`)
    }</span>`
  }</div>${stageBar(datasets)}${
    verdict !== undefined && markup`<p class="small">${verdict.reason}</p>`
  }</li>`;
}

function stageBar(datasets: readonly KeyStatus[]): Piece {
  if (datasets.length === 0) return markup`<p class="small soft">No dataset has been seen.</p>`;
  const counts = stages
    .map((stage) => ({ stage, count: datasets.filter((one) => one.stage === stage).length }))
    .filter(({ count }) => count > 0);
  return markup`<ul class="legend">${counts.map(
    ({ stage, count }) =>
      markup`<li><i class="fill-${stage}"></i>${countText(count)} on ${stage}</li>`,
  )}</ul>`;
}
