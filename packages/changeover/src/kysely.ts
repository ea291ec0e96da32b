export {
  BridgeDialect,
  type BridgeDialectOptions,
  SessionStateError,
} from '@changeover/adapters/kysely';
