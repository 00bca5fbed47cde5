/** The page before its script runs; everything else is made there. */
export const MARKUP = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>chat2api</title>
<link rel="icon" href="tokens/icon.svg">
<link rel="stylesheet" href="tokens/app.css">
<script type="module" src="tokens/app.js"></script>
</head>
<body>
<noscript>This page needs JavaScript. The same can be done with the admin API under admin/.</noscript>
</body>
</html>
`;
