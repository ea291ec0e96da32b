import { allKeys, stages } from '@changeover/core';
import { type Migration, type KeyStatus, keyStatuses } from '../command/migration.ts';
import { badge, markup, type Markup, type Piece } from '../report/markup.ts';
import { askedBackends } from '../report/report-verdict.ts';
import {
  type BackendVerdict,
  countText,
  type ReportVerdict,
  visibleText,
} from '@changeover/bridge';
import { changeButton } from './change-button.ts';

/** Each backend on a card: how far its keys are, what the gates say, and the button that ends it all. */
export function backendCards(
  migration: Migration,
  verdict: ReportVerdict | undefined,
  readOnly: boolean,
): Markup {
  const all = keyStatuses(migration);
  return markup`<ul class="backends" aria-label="Backends">${migration.backends.map((backend) =>
    card(
      migration,
      backend,
      all.filter((one) => one.backend === backend),
      verdict && askedBackends(verdict).find((one) => one.backend === backend),
      readOnly,
    ),
  )}</ul>`;
}

function card(
  migration: Migration,
  backend: string,
  keys: readonly KeyStatus[],
  verdict: BackendVerdict | undefined,
  readOnly: boolean,
): Markup {
  const killed = migration.lastLine(backend, allKeys)?.held === true;
  const title = visibleText(backend);
  return markup`<li data-key="${backend}"><div class="card-head"><span class="name">${title}</span>${
    killed
      ? markup`<span class="pill bad">all held at legacy</span>`
      : verdict !== undefined && badge(verdict.decision)
  }${
    !readOnly &&
    markup`<span class="buttons">${
      killed
        ? changeButton('resume', backend, allKeys, `Resume: all of ${title}`)
        : changeButton('kill', backend, allKeys, `Kill: all of ${title} to legacy`)
    }</span>`
  }</div>${stageBar(keys)}${
    verdict !== undefined && markup`<p class="small">${verdict.reason}</p>`
  }</li>`;
}

function stageBar(keys: readonly KeyStatus[]): Piece {
  if (keys.length === 0) return markup`<p class="small soft">No key has been seen.</p>`;
  const counts = stages
    .map((stage) => ({ stage, count: keys.filter((one) => one.stage === stage).length }))
    .filter(({ count }) => count > 0);
  return markup`<ul class="legend">${counts.map(
    ({ stage, count }) =>
      markup`<li><i class="fill-${stage}"></i>${countText(count)} on ${stage}</li>`,
  )}</ul>`;
}
