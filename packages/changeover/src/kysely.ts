export {
  BridgeDialect,
  type BridgeDialectOptions,
  type KeyedStatement,
  LastWriteError,
} from '@changeover/adapters/kysely';
