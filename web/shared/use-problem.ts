import { shallowRef, watch, type Ref } from 'vue';

interface Outcome {
  error: Ref<unknown>;
  failureReason: Ref<unknown>;
  isSuccess: Ref<boolean>;
  isFetching: Ref<boolean>;
}

/** Why the last read failed, also while it is repeated; until another has succeeded. */
export function useProblem({ error, failureReason, isSuccess, isFetching }: Outcome) {
  const problem = shallowRef<unknown>(null);
  watch(
    [error, failureReason, isSuccess, isFetching],
    () => {
      const reason = failureReason.value ?? error.value;
      if (reason) problem.value = reason;
      else if (isSuccess.value && !isFetching.value) problem.value = null;
    },
    { immediate: true, flush: 'sync' },
  );
  return problem;
}
