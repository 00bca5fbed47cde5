// Loaded into each process under load before its own program: ends it with the bench, however that ends.
process.on('disconnect', () => process.exit());
