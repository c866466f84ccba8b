import './console.css';
import b24ui from '@bitrix24/b24ui-nuxt/vue-plugin';
import { createApp } from 'vue';
import App from './App.vue';
import { firstLanguage, speak } from './language.js';
import { queryClient } from './queries.js';
import { router } from './router.js';
import { resume } from './session.js';

/** No await at the top: what is loaded meanwhile may need a part of this very file. */
async function start(): Promise<void> {
  // A service that is away is no reason not to show the page: logging in again says what is wrong.
  await Promise.all([speak(firstLanguage()), resume().catch(() => undefined)]);
  // Knows from now on whether somebody looks.
  queryClient.mount();
  createApp(App).use(router).use(b24ui).mount('#app');
}

void start();
