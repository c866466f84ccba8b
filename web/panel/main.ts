import '../shared/main.css';
import '../shared/contrast.css';
import b24ui from '@bitrix24/b24ui-nuxt/vue-plugin';
import { createApp } from 'vue';
import { createMemoryHistory, createRouter } from 'vue-router';
import { followColorScheme } from '../shared/color-scheme';
import App from './App.vue';

followColorScheme();
// The kit asks for a router; in a frame of the portal the address is not ours to change.
const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/', component: App }] });
createApp(App).use(router).use(b24ui).mount('#app');
