import '../shared/main.css';
import b24ui from '@bitrix24/b24ui-nuxt/vue-plugin';
import { createApp } from 'vue';
import { createRouter, createWebHashHistory } from 'vue-router';
import { followColorScheme } from '../shared/color-scheme';
import App from './App.vue';

followColorScheme();
const router = createRouter({ history: createWebHashHistory(), routes: [{ path: '/', component: App }] });
createApp(App).use(router).use(b24ui).mount('#app');
