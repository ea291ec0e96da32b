import type { Engine } from '@changeover/engines';

/** Expressions at the edges of each engine's types, beside those that the docs' tables have. */
export const typeMatrix: Readonly<Record<Engine, readonly string[]>> = {
  sqlite: [
    '1/3.0',
    '9223372036854775807',
    '9223372036854775808',
    '0x7fffffffffffffff',
    '1e-400',
    '5e-324',
    '2.2250738585072014e-308',
    'zeroblob(3)',
    "''",
    'char(0, 65, 0)',
    'char(55357)',
    'char(1114111)',
    'char(8232)',
    "CAST(x'ff' AS TEXT)",
    "CAST(x'eda080' AS TEXT)",
    "CAST('abc' AS BLOB)",
    "CAST('12abc' AS INTEGER)",
    'CAST(1e19 AS INTEGER)',
    "julianday('2000-01-01')",
    "date('9999-12-31')",
    "datetime(253402300799, 'unixepoch')",
    "json_array(1, 2.5, 'x', NULL)",
    "jsonb('[1]')",
    "printf('%.20f', 0.1)",
    '9007199254740992',
    '-9007199254740993',
    '4503599627370496.5',
    '0.1 + 0.2',
    '1e22',
    '1e23',
    '(SELECT 1 WHERE 0)',
  ],
  duckdb: [
    "'Infinity'::FLOAT",
    "'NaN'::FLOAT",
    "'-0.0'::FLOAT",
    '3.4028235e38::FLOAT',
    '1e-45::FLOAT',
    '1.7976931348623157e308::DOUBLE',
    "'5e-324'::DOUBLE",
    "'-0.05'::DECIMAL(3,2)",
    '99999999999999999999999999999999999999::DECIMAL(38,0)',
    '255::UTINYINT',
    '65535::USMALLINT',
    "'290309-12-22 (BC)'::TIMESTAMP",
    "'294247-01-10 04:00:54.775806'::TIMESTAMP",
    "'290309-12-22 (BC) 00:00:00'::TIMESTAMP_S",
    "'1677-09-22 00:00:00'::TIMESTAMP_NS",
    "'2262-04-11 23:47:16.854775806'::TIMESTAMP_NS",
    "'5877642-06-25 (BC)'::DATE",
    "'0000-01-01'::DATE",
    "'5881580-07-10'::DATE",
    "'-infinity'::DATE",
    "'24:00:00'::TIME",
    "'00:00:00+15:59:59'::TIMETZ",
    "'12:34:56.789012-05:45'::TIMETZ",
    "'infinity'::TIMESTAMPTZ",
    "'-infinity'::TIMESTAMP_S",
    "'-infinity'::TIMESTAMP_NS",
    "'12:00:00.123456789'::TIME_NS",
    "INTERVAL '83 years 3 months 999 days 00:16:39.999999'",
    "INTERVAL '-1 month 1 day -1 microsecond'",
    "INTERVAL '1000000 hours'",
    "'00000000-0000-0000-0000-000000000000'::UUID",
    "'80000000-0000-0000-0000-000000000000'::UUID",
    "'0000000000000000000000000000001'::BIT",
    "'goo\\x00se'",
    'chr(0)',
    "'42'::BIGNUM",
    "'-170141183460469231731687303715884105729'::BIGNUM",
    "'medium'::ENUM('small', 'medium')",
    '1e23::DOUBLE',
    'NULL::INTERVAL',
    '42::VARIANT',
  ],
  postgresql: [
    "'infinity'::float4",
    "'-0'::float4",
    '3.4028235e38::float4',
    "'1e-45'::float4",
    "'5e-324'::float8",
    '1e23::float8',
    '0.1::float8 + 0.2',
    "'-Infinity'::numeric",
    '0.000::numeric',
    '1e-300::numeric',
    '1e300::numeric',
    '32767::int2',
    "'-92233720368547758.08'::money",
    "'4713-11-24 BC'::date",
    "'5874897-12-31'::date",
    "'294276-12-31 23:59:59.999999'::timestamp",
    "'4713-11-24 00:00:00 BC'::timestamp",
    "'infinity'::timestamptz",
    "'2000-01-01 00:00:00+05:30'::timestamptz",
    "'24:00:00'::time",
    "'00:00:00-15:59:59'::timetz",
    "'178000000 years'::interval",
    "'-178000000 years'::interval",
    "'1.5 months'::interval",
    "'infinity'::interval",
    "'-1 day +02:03:04'::interval",
    "'08:00:2b:01:02:03'::macaddr",
    "'10.1.0.0/16'::cidr",
    "'{1,2,3}'::line",
    "'((1,2),(3,4))'::lseg",
    "'((1,2),(3,4))'::box",
    "'[(1,2),(3,4)]'::path",
    "'<(1,2),3>'::circle",
    "'(NaN,Infinity)'::point",
    "B''::varbit",
    '\'\'::"char"',
    "'abc'::name",
    "'pg_class'::regclass",
    "'0/16B3748'::pg_lsn",
    "'(0,1)'::tid",
    "'123'::xid8",
    "'null'::jsonb",
    "'1e400'::jsonb",
    '\'{"a":1,"a":2}\'::json',
    "'fat:1A cat'::tsvector",
    "'$.a[*]'::jsonpath",
    "'(,)'::numrange",
    "'{[1,3),[5,7)}'::int4multirange",
    "ARRAY['((1,2),(3,4))'::box]",
    "ARRAY[ROW(1, 'a b')]",
    'ROW()',
    "ROW(NULL, '', ROW(1))",
    "'1 2 3'::int2vector",
    "repeat('x', 300)",
    'chr(1114111)',
    "'@ 1 minute'::interval",
  ],
};

/** How each engine writes a value as text. */
export const asText: Readonly<Record<Engine, (expression: string) => string>> = {
  sqlite: (expression) => `quote(${expression})`,
  duckdb: (expression) => `(${expression})::VARCHAR`,
  postgresql: (expression) => `(${expression})::text`,
};

/** Whether a caller's value is what the engine itself writes. */
export function isWritten(engine: Engine, value: unknown, text: unknown): boolean {
  if (value === null) return text === null || text === 'NULL';
  if (typeof text !== 'string') return false;
  if (ArrayBuffer.isView(value)) {
    return (
      text ===
      `X'${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex').toUpperCase()}'`
    );
  }
  if (typeof value === 'number') {
    const written = Number(text.replace(/inf$/, 'Infinity').replace(/^nan$/, 'NaN'));
    return Object.is(written, value) || Object.is(Math.fround(written), value);
  }
  if (typeof value !== 'string') return String(value) === text;
  // SQLite's literals end at a NUL.
  if (engine === 'sqlite')
    return value.includes('\0') || text === `'${value.replaceAll("'", "''")}'`;
  return value.trimEnd() === text.trimEnd();
}
