import type { Fence } from '../../common/http-exchange.js';

/** On whose behalf calls are made. */
export interface Caller {
  /** When it is lost nothing leaves any more; absent: the caller needs none. */
  lease?: Fence;
  /** Hears how many seconds the portal took for how many messages. */
  timing: (seconds: number, messages: number) => void;
}
