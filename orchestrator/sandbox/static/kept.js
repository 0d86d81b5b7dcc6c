// What survives a reload in this tab: drafts, unsent messages, added phones, which phone was open.

export function kept(key, fallback) {
  const value = sessionStorage.getItem(key);
  return value === null ? fallback : JSON.parse(value);
}

export function keep(key, value) {
  sessionStorage.setItem(key, JSON.stringify(value));
}
