import { ref } from 'vue';
import { useToast } from '@bitrix24/b24ui-nuxt/composables/useToast';
import { ProblemError } from './api.js';
import { t } from './language.js';
import { refreshShown } from './queries.js';
import { refusalOf } from './reasons.js';

/** What a person reads of an error: what happened, and what to do. */
export function explain(error: unknown): { title: string; detail: string } {
  if (!(error instanceof ProblemError)) return { title: t.problems.unexpected, detail: String(error) };
  if (error.status === 0) return { title: t.problems.unreachable, detail: t.problems.unreachableAdvice };
  if (error.status === 429)
    return { title: t.problems.tooMany, detail: t.problems.tooManyAdvice(error.retryAfter ?? 1) };
  const detail = refusalOf(error.code, error.params) || error.message;
  if (error.status === 403) return { title: t.problems.forbidden, detail };
  // A network's failure is not the service's.
  if (error.params.network !== undefined) return { title: t.problems.refused, detail };
  if (error.status >= 500) return { title: t.problems.failing, detail: detail || t.problems.unreachableAdvice };
  return { title: t.problems.refused, detail };
}

/** Tells what came of something a person asked for. To be called in `setup`. */
export function useNotices() {
  const toast = useToast();
  const problem = (error: unknown) => {
    // The log-in page says it.
    if (error instanceof ProblemError && error.status === 401) return;
    const { title, detail } = explain(error);
    toast.add({ id: `${title}${detail}`, title, description: detail, color: 'air-primary-alert', duration: 8_000 });
  };
  const done = (title: string) => {
    toast.add({ id: title, title, color: 'air-primary-success', duration: 3_000 });
  };
  /** It was done, and something that follows from it was not. */
  const partly = (title: string, detail: string) => {
    toast.add({ id: `${title}${detail}`, title, description: detail, color: 'air-primary-warning', duration: 15_000 });
  };
  return { problem, done, partly };
}

/**
 * Runs what a person asked for, once at a time, tells how it went, and has all that is shown read again. True: it was
 * done.
 */
export function useAction() {
  const notices = useNotices();
  const busy = ref(false);
  const act = async (work: () => Promise<unknown>, done?: string | (() => string)): Promise<boolean> => {
    if (busy.value) return false;
    busy.value = true;
    try {
      await work();
      const words = typeof done === 'function' ? done() : done;
      if (words) notices.done(words);
      return true;
    } catch (error) {
      notices.problem(error);
      return false;
    } finally {
      busy.value = false;
      refreshShown();
    }
  };
  return { act, busy };
}
