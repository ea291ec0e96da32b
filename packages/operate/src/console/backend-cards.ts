import { allKeys, type Stage, stages } from '@changeover/core';
import type { Migration } from '../command/migration.ts';
import { badge, markup, type Markup, type Piece } from '../report/markup.ts';
import { askedBackends } from '../report/report-verdict.ts';
import { type BackendVerdict, countText, visibleText } from '@changeover/bridge';
import { changeButton } from './change-button.ts';
import type { WorkedFigures } from './console-figures.ts';

/** Each backend on a card: how far its keys are, what the gates say, and the button that ends it all. */
export function backendCards({ migration, verdict, readOnly, keysOn }: WorkedFigures): Markup {
  return markup`<ul class="backends" aria-label="Backends">${migration.backends.map((backend) =>
    card(
      migration,
      backend,
      keysOn.get(backend) ?? new Map<Stage, number>(),
      verdict && askedBackends(verdict).find((one) => one.backend === backend),
      readOnly,
    ),
  )}</ul>`;
}

function card(
  migration: Migration,
  backend: string,
  keysOn: ReadonlyMap<Stage, number>,
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
  }</div>${stageBar(keysOn)}${
    verdict !== undefined && markup`<p class="small">${verdict.reason}</p>`
  }</li>`;
}

function stageBar(keysOn: ReadonlyMap<Stage, number>): Piece {
  if (keysOn.size === 0) return markup`<p class="small soft">No key has been seen.</p>`;
  return markup`<ul class="legend">${stages
    .filter((stage) => keysOn.has(stage))
    .map(
      (stage) =>
        markup`<li><i class="fill-${stage}"></i>${countText(keysOn.get(stage) ?? 0)} on ${stage}</li>`,
    )}</ul>`;
}
