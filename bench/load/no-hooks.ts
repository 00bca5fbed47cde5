// For `register`: changes nothing.
export {};
