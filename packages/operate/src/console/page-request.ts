import { type KeySort, keySorts } from '../report/key-line.ts';

/** What one open page shows. */
export interface PageRequest {
  /** The key whose page it is; undefined for the list of all. */
  readonly key: { readonly backend: string; readonly key: string } | undefined;
  readonly sort: KeySort;
  readonly filter: string;
  /** From 0. */
  readonly page: number;
}

const maxFilter = 200;

/** What a page asked for; what can't be read of it is as if it hadn't been said. */
export function pageRequest(query: URLSearchParams): PageRequest {
  const page = Number(query.get('page') ?? 0);
  return {
    key: keyOfPath(query.get('at') ?? ''),
    sort: keySorts.find((sort) => sort === query.get('sort')) ?? 'problem',
    filter: (query.get('filter') ?? '').slice(0, maxFilter),
    page: Number.isSafeInteger(page) && page > 0 ? page : 0,
  };
}

/** True for the paths that are a page of the console. */
export function isPagePath(path: string): boolean {
  return path === '/' || keyOfPath(path) !== undefined;
}

/** `/keys/<backend>/<key>`, both as `encodeURIComponent` writes them. */
function keyOfPath(path: string): PageRequest['key'] {
  const [, backend, key] = /^\/keys\/([^/]+)\/([^/]*)$/.exec(path) ?? [];
  if (backend === undefined || key === undefined) return undefined;
  try {
    return { backend: decodeURIComponent(backend), key: decodeURIComponent(key) };
  } catch {
    return undefined;
  }
}
