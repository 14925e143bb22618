// What a rater's page loads.
export { showPair } from "./pair";
