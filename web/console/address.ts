import { onScopeDispose } from 'vue';
import { onBeforeRouteLeave, useRouter, type LocationQueryRaw } from 'vue-router';

/**
 * Puts into the address what the page shows, in place of what stood there. Not once the person is leaving for another
 * page: the router gives up the step under way for a new one, and that page may take a while to load.
 */
export function useQueryOfAddress(): (query: LocationQueryRaw) => Promise<void> {
  const router = useRouter();
  let leaving = false;
  onBeforeRouteLeave(() => {
    leaving = true;
  });
  // The other page could not be loaded: the person is still here.
  const unsubscribe = router.onError(() => {
    leaving = false;
  });
  onScopeDispose(unsubscribe);
  return async (query) => {
    if (!leaving) await router.replace({ query });
  };
}
