// The service worker: static files and the page without a network are kept, and nothing else, for what is kept could be
// shown as if it were fresh. VERSION and FILES are written before this by the server.
const CACHE = `static-${VERSION}`;
const OFFLINE = "/app/offline";

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll([...FILES, OFFLINE]);
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(() => caches.match(OFFLINE)));
  } else if (request.method === "GET" && FILES.includes(new URL(request.url).pathname)) {
    event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
  }
});

self.addEventListener("push", (event) => {
  event.waitUntil((async () => {
    const told = event.data?.json() ?? {};
    const pages = await self.clients.matchAll({ type: "window" });
    // Whoever looks at the app sees it there.
    if (pages.some((page) => page.visibilityState === "visible")) return;
    await self.registration.showNotification(told.text ?? "A customer is waiting", { tag: told.tag, data: { sid: told.tag } });
  })());
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const sid = event.notification.data?.sid;
  const url = /^CH[0-9a-fA-F]{32}$/.test(sid) ? `/app/c/${sid}` : "/app";
  event.waitUntil((async () => {
    const [page] = await self.clients.matchAll({ type: "window" });
    if (!page) return self.clients.openWindow(url);
    await page.focus();
    return page.navigate(url);
  })());
});
