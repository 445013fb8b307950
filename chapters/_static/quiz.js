// A quiz shows what there is to say about an answer by style sheet alone; this reads it aloud to
// those who listen, and compares numbers that are typed.
"use strict";

function say(quiz, text) {
  quiz.querySelector(".quiz-status").textContent = text.trim();
}

function choose(quiz, input) {
  const feedback = input.parentElement.querySelector(".quiz-feedback");
  say(quiz, input.checked ? feedback.textContent : "");
}

function compare(quiz) {
  const typed = quiz.querySelector("input").value.trim().replace(",", ".");
  if (typed === "" || Number.isNaN(Number(typed))) return;
  const said = quiz.querySelector(".quiz-said");
  const known = [...quiz.querySelectorAll(".quiz-value")].find(
    (value) => Math.abs(Number(value.dataset.value) - Number(typed)) < 1e-6,
  );
  const choice = known && known.parentElement;
  said.className = `quiz-said ${choice && choice.classList.contains("right") ? "right" : "wrong"}`;
  said.replaceChildren(
    choice ? choice.querySelector(".quiz-feedback").cloneNode(true) : said.dataset.else,
  );
  say(quiz, said.textContent);
}

for (const quiz of document.querySelectorAll(".quiz")) {
  if (quiz.dataset.kind === "number") {
    const form = quiz.querySelector("form");
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      compare(quiz);
    });
  } else {
    quiz.addEventListener("change", (event) => choose(quiz, event.target));
  }
}
