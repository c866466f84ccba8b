import { computed, inject, provide, type ComputedRef, type InjectionKey } from 'vue';
import type { components } from '../../types/api.js';

type Schemas = components['schemas'];

/** A message as every page has it that shows a conversation. */
export type SaidMessage = Omit<Schemas['CardMessage'], 'problem'> & {
  /** Why it did not arrive, where the page knows. */
  problem?: string | null;
};
export type AttachmentItem = Schemas['AttachmentItem'];
export type Mark = Schemas['Mark'];

/** What a conversation is worded with, in the reader's language. */
export interface ConversationWords {
  authorOf: (message: SaidMessage) => string;
  bubble: (author: string, time: string) => string;
  /** What a press on a message opens; null: nothing. */
  timeline: string | null;
  edited: string;
  deleted: string;
  anotherMessage: string;
  onlyInPortal: string;
  states: Record<SaidMessage['state'], string>;
  ticks: { sent: string; seen: string };
  clock: (time: string) => string;
  fullTime: (time: string) => string;
  bytes: (size: number) => string;
}

const KEY: InjectionKey<ComputedRef<ConversationWords>> = Symbol('conversation words');

/** For all conversations below. */
export function provideConversationWords(words: () => ConversationWords): void {
  provide(KEY, computed(words));
}

export function useConversationWords(): ComputedRef<ConversationWords> {
  return inject(KEY)!;
}

/** Who is named: of what the program says on its own account its source. */
export function authorKey({ authorId, kind, direction }: SaidMessage): string {
  return authorId ?? (direction === 'outbound' ? kind : '');
}
