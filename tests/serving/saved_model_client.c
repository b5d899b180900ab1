/* Asks a SavedModel about texts through TensorFlow's C API, as a server without Python does.

   saved_model_client DIRECTORY OPERATIONS.so... -- INPUT OUTPUT TEXT...

   Loads the libraries of operations, then the SavedModel, feeds the texts to the tensor INPUT (NAME:INDEX)
   and prints the float32 tensor OUTPUT, a row a line. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/c/c_api.h>

static void check(TF_Status *status, const char *what) {
  if (TF_GetCode(status) != TF_OK) {
    fprintf(stderr, "%s: %s\n", what, TF_Message(status));
    exit(1);
  }
}

static TF_Output place(TF_Graph *graph, const char *tensor) {
  char name[256];
  const char *colon = strrchr(tensor, ':');
  snprintf(name, sizeof name, "%.*s", (int)(colon - tensor), tensor);
  TF_Output output = {TF_GraphOperationByName(graph, name), atoi(colon + 1)};
  if (output.oper == NULL) {
    fprintf(stderr, "no operation %s\n", name);
    exit(1);
  }
  return output;
}

int main(int argc, char **argv) {
  TF_Status *status = TF_NewStatus();
  int argument = 2;
  for (; strcmp(argv[argument], "--") != 0; argument++) {
    TF_LoadLibrary(argv[argument], status);
    check(status, argv[argument]);
  }
  const char *input_name = argv[argument + 1], *output_name = argv[argument + 2];
  char **texts = argv + argument + 3;
  int64_t count = argc - (argument + 3);

  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session =
      TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(status, "loading");

  TF_Tensor *input = TF_AllocateTensor(TF_STRING, &count, 1, count * sizeof(TF_TString));
  TF_TString *strings = TF_TensorData(input);
  for (int64_t row = 0; row < count; row++) {
    TF_TString_Init(&strings[row]);
    TF_TString_Copy(&strings[row], texts[row], strlen(texts[row]));
  }
  TF_Output from = place(graph, input_name), to = place(graph, output_name);
  TF_Tensor *output = NULL;
  TF_SessionRun(session, NULL, &from, &input, 1, &to, &output, 1, NULL, 0, NULL, status);
  check(status, "running");

  int64_t rows = TF_Dim(output, 0), columns = TF_Dim(output, 1);
  const float *values = TF_TensorData(output);
  for (int64_t row = 0; row < rows; row++)
    for (int64_t column = 0; column < columns; column++)
      printf("%.9g%c", values[row * columns + column], column + 1 < columns ? ' ' : '\n');
  TF_CloseSession(session, status);
  return 0;
}
