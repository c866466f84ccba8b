import { Injectable } from '@nestjs/common';
import type { ProblemTable, Words } from '../common/delivery-problem.js';
import type { Language } from '../common/language.js';

/** What the program finds out by itself, without asking a network. */
const OWN_PROBLEMS = {
  unknown_chat: {
    kind: 'refused',
    scope: 'message',
    reason: {
      en: 'no bot of this application knows this client; ask the client to write again',
      ru: 'ни один бот приложения не знает этого клиента; попросите клиента написать ещё раз',
    },
  },
  ambiguous_chat: {
    kind: 'refused',
    scope: 'message',
    reason: {
      en: 'several bots know this client, and none of them serves this open line any more; answer in the client’s newest dialog',
      ru: 'этого клиента знают несколько ботов, и ни один из них больше не обслуживает эту линию; ответьте в последнем диалоге с клиентом',
    },
  },
  bot_removed_here: {
    kind: 'refused',
    scope: 'message',
    reason: {
      en: 'the bot was removed together with the messages that were still waiting',
      ru: 'бот удалён вместе с сообщениями, которые ещё не были отправлены',
    },
  },
} as const satisfies ProblemTable;

/** Where each network's room registers its table of problems, so that the other can explain them. */
@Injectable()
export class DeliveryProblems {
  private readonly reasons = new Map<string, Words>();

  constructor() {
    this.register(OWN_PROBLEMS);
  }

  /** Throws when two tables explain the same code: each reason has one home. */
  register(table: ProblemTable): void {
    for (const [code, { reason }] of Object.entries(table)) {
      if (!reason) continue;
      if (this.reasons.has(code)) throw new Error(`Two tables have words for the problem ${code}`);
      this.reasons.set(code, reason);
    }
  }

  /** The reason for people to read; undefined: no table has one. */
  reason(code: string, language: Language): string | undefined {
    return this.reasons.get(code)?.[language];
  }
}
