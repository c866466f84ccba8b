import { ref } from 'vue';
import { ApiError } from '../shared/page-api';
import { useSettings } from './settings';

/** Something a person starts: whether it runs, and what went wrong. A second start while it runs does nothing. */
export function useAction() {
  const settings = useSettings();
  const busy = ref(false);
  const error = ref('');

  /** `handled`: answers true for a refusal that is no error to be shown. */
  async function run(work: () => Promise<void>, handled: (error: ApiError) => boolean = () => false): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    error.value = '';
    try {
      await work();
      return true;
    } catch (thrown) {
      if (!(thrown instanceof ApiError && handled(thrown))) error.value = settings.explain(thrown);
      return false;
    } finally {
      busy.value = false;
    }
  }
  return { busy, error, run };
}
