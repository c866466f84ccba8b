import { EventEmitter } from 'node:events';
import { Injectable } from '@nestjs/common';
import type { Direction } from './message.js';

interface Events {
  /** New messages were committed. */
  accepted: [{ direction: Direction; count: number; duplicates: number }];
  /** Updates that a poll brought could not be committed: they stay at Telegram. */
  refused: [];
  /** A send was settled. */
  settled: [{ network: 'telegram' | 'bitrix24'; kind: string; outcome: string; ms: number }];
  /** Answers reached clients: portals are to be told (a hint, as for `work`). */
  reports: [];
  /** These endpoints have work that was not there before (a hint: the slow look at the tables is the truth). */
  work: [string[]];
  /** Something about this endpoint changed (installed again, line moved, mode changed): look at it anew. */
  changed: [string];
}

/** What happens in the relay, for whoever counts or waits. Nothing correct depends on anybody listening. */
@Injectable()
export class RelayEvents {
  private readonly emitter = new EventEmitter<Events>().setMaxListeners(0);

  on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): void {
    this.emitter.on(name, listener as never);
  }

  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    this.emitter.emit(name, ...(args as never));
  }
}
