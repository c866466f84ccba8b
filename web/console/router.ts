import { createRouter, createWebHashHistory, type RouteRecordRaw } from 'vue-router';
import { may, me } from './session.js';

declare module 'vue-router' {
  interface RouteMeta {
    /** Needs no key. */
    open?: boolean;
    /** Only for owners of everything. */
    owner?: boolean;
  }
}

const routes: RouteRecordRaw[] = [
  { path: '/login', name: 'login', component: () => import('./pages/LogIn.vue'), meta: { open: true } },
  { path: '/', name: 'overview', component: () => import('./pages/Overview.vue') },
  { path: '/connections', name: 'connections', component: () => import('./pages/Connections.vue') },
  { path: '/connections/portals/:id', name: 'portal', component: () => import('./pages/Portal.vue'), props: true },
  {
    path: '/chats',
    component: () => import('./pages/Chats.vue'),
    children: [
      { path: '', name: 'chats', component: () => import('./pages/NoConversation.vue') },
      { path: ':id', name: 'conversation', component: () => import('./pages/Conversation.vue'), props: true },
    ],
  },
  { path: '/messages', name: 'messages', component: () => import('./pages/Messages.vue') },
  { path: '/links', name: 'links', component: () => import('./pages/Links.vue') },
  { path: '/answers', name: 'answers', component: () => import('./pages/Answers.vue') },
  { path: '/broadcasts', name: 'broadcasts', component: () => import('./pages/Broadcasts.vue') },
  { path: '/attention', name: 'attention', component: () => import('./pages/Attention.vue') },
  { path: '/doctor', name: 'doctor', component: () => import('./pages/Doctor.vue') },
  { path: '/audit', name: 'audit', component: () => import('./pages/Audit.vue') },
  { path: '/keys', name: 'keys', component: () => import('./pages/Keys.vue'), meta: { owner: true } },
  { path: '/:rest(.*)*', redirect: '/' },
];

/** The page has one address, so the places in it stand behind the #. */
export const router = createRouter({ history: createWebHashHistory(), routes });

router.beforeEach((to) => {
  if (to.meta.open) return me.value ? { name: 'overview' } : true;
  if (!me.value) return { name: 'login', query: to.fullPath === '/' ? {} : { to: to.fullPath } };
  return to.meta.owner && !may('owner', { everyPortal: true }) ? { name: 'overview' } : true;
});
