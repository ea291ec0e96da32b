import { datasetSchema } from './api/store-location.ts';
import { quoteIdentifier } from './dialect/dialect.ts';

/** The only place where a dataset's names are looked up. */
export function searchPathOf(dataset: string | undefined): string {
  return dataset === undefined ? 'pg_catalog' : quoteIdentifier(datasetSchema(dataset));
}
