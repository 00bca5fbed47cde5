import type { AccountLedger } from './accounts/account-ledger.ts';
import type { Grants } from './accounts/grants.ts';
import type { ClearanceLedger } from './clearance-ledger.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { FileStore } from './files/file-store.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import type { ScenarioList } from './scenario-list.ts';
import type { SocketHub } from './sockets/socket-hub.ts';

/** Everything the endpoints of one sandbox share. */
export interface World {
  readonly strict: boolean;
  /** Characters in all messages of a turn; more is answered 413. */
  readonly maxMessageChars: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly random: Random;
  readonly scenarios: ScenarioList;
  readonly recorder: Recorder;
  readonly ledger: ClearanceLedger;
  readonly accounts: AccountLedger;
  readonly grants: Grants;
  readonly conversations: ConversationStore;
  readonly files: FileStore;
  readonly sockets: SocketHub;
}
